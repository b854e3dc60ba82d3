import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawFaults, faultBag } from '../../chaos/fault-bag.ts';
import { FAULT_KINDS, type FaultRun } from '../../chaos/fault-kinds.ts';
import type { Field, Supervisor } from '../../chaos/field.ts';
import { present } from '../../../src/domain/assert.ts';
import { seededRandom } from '../../support/seeded-random.ts';

/** Starts that fail come first. */
function fakeSupervisor(name: string, failedStarts = 0): Supervisor & { readonly starts: number } {
  let running = true;
  let starts = 0;
  return {
    name,
    up: true,
    proxy: {
      port: 1,
      counts: { wan: 0, reset: 0, truncate: 0, slowClose: 0, blackHole: 0 },
      set() {},
      async [Symbol.asyncDispose]() {},
    },
    process: {
      pid: 1,
      get running() {
        return running;
      },
      async kill() {
        running = false;
      },
      async stop() {
        return 0;
      },
    },
    get starts() {
      return starts;
    },
    async start() {
      starts += 1;
      if (starts <= failedStarts) throw new Error('NATS is away');
      running = true;
    },
  };
}

function fieldOf(supervisors: readonly Supervisor[]): Field {
  const leaderSide = (): unknown => ({ call: async () => ({ status: 503, body: {} }) });
  return { supervisors, leaders: [], leaderSide } as unknown as Field;
}

async function killed(name: string, supervisors: readonly Supervisor[]): Promise<Promise<void>[]> {
  const background: Promise<void>[] = [];
  const kind = present(
    FAULT_KINDS.find((one) => one.name === name),
    name,
  );
  const later: FaultRun['later'] = (task) => void background.push(task);
  await kind.run({ field: fieldOf(supervisors), index: 'cities', durationMs: 0, random: seededRandom(1), later });
  return background;
}

test('one supervisor that is killed leaves the other alone, and is started until that succeeds', async () => {
  const supervisors = [fakeSupervisor('ada', 2), fakeSupervisor('bea', 2)];
  const background = await killed('one supervisor: killed', supervisors);
  assert.equal(supervisors.filter(({ up }) => up).length, 1);
  await Promise.all(background);
  assert.deepEqual(new Set(supervisors.map(({ starts }) => starts)), new Set([0, 3]));
  assert.ok(supervisors.every(({ up, process }) => up && process.running));
});

test('all supervisors that are killed are started again, each of them', async () => {
  const supervisors = [fakeSupervisor('ada'), fakeSupervisor('bea')];
  const background = await killed('all supervisors: killed', supervisors);
  assert.ok(supervisors.every(({ up, process }) => !up && !process.running));
  await Promise.all(background);
  assert.ok(supervisors.every(({ up, starts }) => up && starts === 1));
});

test('no supervisor is killed or stopped while another is on its way back', async () => {
  const supervisors = [fakeSupervisor('ada'), fakeSupervisor('bea')];
  const field = fieldOf(supervisors);
  const random = seededRandom(2);
  const bag = faultBag(random);
  const drawnTargets = async (): Promise<readonly string[]> => {
    const drawn: string[] = [];
    for (let round = 0; round < 200; round += 1)
      drawn.push(...(await drawFaults(bag, field, random)).map(({ target }) => target));
    return drawn;
  };
  present(supervisors[1], 'bea').up = false;
  assert.ok(!(await drawnTargets()).includes('supervisor'));
  present(supervisors[1], 'bea').up = true;
  assert.ok((await drawnTargets()).includes('supervisor'));
});
