import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { slotOwnership } from '../../../src/actors/slot-ownership.ts';
import { SLOT_COUNT } from '../../../src/domain/slots.ts';
import { connectNats } from '../../../src/infra/nats/connect.ts';
import { leasesStream, openLeaseStore } from '../../../src/infra/nats/lease-store.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import { systemRandom } from '../../../src/infra/system/random.ts';
import type { Ownership } from '../../../src/ports/ownership.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { natsUrl, uniqueJournal } from '../../support/nats-journal.ts';
import { tcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';

interface Supervisor extends AsyncDisposable {
  readonly ownership: Ownership;
  readonly owned: Map<number, number>;
  /** Slots that were lost, or given up in order. */
  readonly ended: { readonly lost: number[]; readonly given: number[] };
  readonly proxy: TcpProxy;
}

/** On a connection of its own, which can be cut. */
async function supervisor(name: string, names: { stream: string; prefix: string }): Promise<Supervisor> {
  const proxy = await tcpProxy(Number(new URL(natsUrl()).port));
  const nc = await connectNats({ servers: [`nats://127.0.0.1:${proxy.port}`], name: `test ${name}` });
  const ending = new AbortController();
  const owned = new Map<number, number>();
  const ended = { lost: [] as number[], given: [] as number[] };
  const ownership = slotOwnership({
    store: await openLeaseStore(nc, { ...names, nowMs: Date.now }),
    clock: systemClock,
    random: systemRandom,
    narrator: memoryNarrator(),
    announcement: { supervisor: name, version: '1.0.0', clusters: ['primary', 'replica'], readsEventVersion: 1 },
  });
  const handlers = {
    acquired: (slot: number, term: number) => void owned.set(slot, term),
    lost: (slot: number) => void (owned.delete(slot) && ended.lost.push(slot)),
    give: async (slot: number) => void (owned.delete(slot) && ended.given.push(slot)),
  };
  await ownership.start(handlers, ending.signal);
  return {
    ownership,
    owned,
    ended,
    proxy,
    async [Symbol.asyncDispose]() {
      ending.abort(new Error('the test is over'));
      await nc.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

function writable({ ownership }: Supervisor): number {
  return Array.from({ length: SLOT_COUNT }, (_, slot) => slot).filter((slot) => ownership.mayWrite(slot)).length;
}

async function ownStream(): Promise<{ stream: string; prefix: string } & AsyncDisposable> {
  const names = uniqueJournal();
  return {
    ...names,
    async [Symbol.asyncDispose]() {
      const admin = await connectNats({ servers: [natsUrl()], name: 'test admin' });
      await (await jetstreamManager(admin)).streams.delete(leasesStream(names.stream));
      await admin.close();
    },
  };
}

const IDLE_MS = 6_000;

// They wait for sessions to end and for what is counted over a while.
describe('ownership of slots on NATS', { concurrency: 2 }, () => {
  it('gives a lone supervisor all slots, whose idle renewals cost less than 1 KB/s', async (context) => {
    await using names = await ownStream();
    await using one = await supervisor('one', names);
    const start = performance.now();
    await until('all slots are owned', 20_000, async () => (one.owned.size === SLOT_COUNT ? true : undefined));
    context.diagnostic(`all slots after ${Math.round(performance.now() - start)} ms`);
    const [bytes, from] = [one.proxy.bytes, performance.now()];
    await until('a while', IDLE_MS * 2, async () => (performance.now() - from > IDLE_MS ? true : undefined));
    const perSecond = ((one.proxy.bytes - bytes) / (performance.now() - from)) * 1_000;
    context.diagnostic(`${Math.round(perSecond)} bytes a second`);
    assert.ok(perSecond < 1_024, `${perSecond} bytes a second`);
    assert.equal(writable(one), SLOT_COUNT);
    await one.ownership.stop();
    assert.equal(one.ended.given.length, SLOT_COUNT);
    await using two = await supervisor('two', names);
    await until('the next owns all', 10_000, async () => (two.owned.size === SLOT_COUNT ? true : undefined));
    assert.equal(two.ownership.live().length, 1);
  });

  it('moves the slots of one that is cut off to the others, whose terms are higher, and lets it come back', async (context) => {
    await using names = await ownStream();
    const all = await Promise.all(['a', 'b', 'c'].map((name) => supervisor(name, names)));
    await using _all = {
      async [Symbol.asyncDispose]() {
        for (const each of all) await each[Symbol.asyncDispose]();
      },
    };
    const [one, two, three] = all;
    assert.ok(one !== undefined && two !== undefined && three !== undefined);
    const owned = (): number => all.reduce((sum, each) => sum + each.owned.size, 0);
    const even = (): boolean => all.every((each) => Math.abs(each.owned.size - SLOT_COUNT / 3) < 1);
    const counts = (): string => all.map((each) => each.owned.size).join();
    await until(
      'an even share each',
      120_000,
      async () => (owned() === SLOT_COUNT && even() ? true : undefined),
      counts,
    );
    const bytes = all.reduce((sum, { proxy }) => sum + proxy.bytes, 0);
    const from = performance.now();
    await until('a while', IDLE_MS * 2, async () => (performance.now() - from > IDLE_MS ? true : undefined));
    const spent = all.reduce((sum, { proxy }) => sum + proxy.bytes, 0) - bytes;
    context.diagnostic(`${Math.round((spent / (performance.now() - from)) * 1_000)} bytes a second, three supervisors`);

    const terms = new Map(three.owned);
    const { session } = three.ownership;
    three.proxy.cut();
    const cutAt = performance.now();
    let overlap = 0;
    await until(
      'the others own all',
      20_000,
      async () => {
        for (const slot of terms.keys()) {
          const writers = all.filter(({ ownership }) => ownership.mayWrite(slot)).length;
          if (writers > 1) overlap += 1;
        }
        return one.owned.size + two.owned.size === SLOT_COUNT ? true : undefined;
      },
      counts,
    );
    context.diagnostic(`moved after ${Math.round(performance.now() - cutAt)} ms`);
    assert.equal(overlap, 0);
    assert.equal(writable(three), 0);
    for (const [slot, term] of terms) assert.ok((one.owned.get(slot) ?? two.owned.get(slot) ?? 0) > term);
    three.proxy.join();
    // What it has lost it learns only now.
    const another = (): boolean => three.ownership.session !== session && three.owned.size >= 8;
    await until('it owns slots again, in another session', 30_000, async () => (another() ? true : undefined), counts);
    assert.equal(three.ended.lost.length, terms.size);
    assert.equal(one.ended.lost.length + two.ended.lost.length, 0);
  });
});
