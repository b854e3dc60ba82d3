import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configuredFollows } from '../../../src/app/configured-follows.ts';
import type { FollowCommand } from '../../../src/domain/commands.ts';
import { failed, type FailureCode } from '../../../src/domain/failure.ts';
import { wholeQueries } from '../../../src/domain/pages.ts';
import { DEFAULT_PARAMETERS } from '../../../src/domain/parameters.ts';
import { countingRandom, recordingSurface } from '../../support/control-bench.ts';
import { memoryNarrator } from '../../support/memory-narrator.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const entry = (index: string, cluster = 'paris') => ({
  leader: { cluster, index },
  follower: { cluster: 'tokyo', index },
  parameters: {},
  settings: {},
});

/** `answers`: what each try of an index is answered with, in order; the last is repeated. */
function follows(answers: Readonly<Record<string, readonly (FailureCode | 'followed')[]>>) {
  const tries = new Map<string, number>();
  const clock = new VirtualClock();
  const narrator = memoryNarrator();
  const followed = new Set<string>();
  const surface = recordingSurface(({ name, given }) => {
    if (name === 'list' || (name === 'status' && Object.keys(given as object).length === 0))
      return [...followed].map((index) => ({ ...entry(index), state: 'following', pairs: [] }));
    if (name === 'status') throw failed('unknown_pair', { op: 'find', reason: 'it is not followed here' });
    const { index } = (given as FollowCommand).follower;
    const at = tries.get(index) ?? 0;
    tries.set(index, at + 1);
    const answer = answers[index]?.[at] ?? answers[index]?.at(-1);
    if (answer !== 'followed') throw failed(answer ?? 'bug', { op: 'follow', cluster: 'paris', reason: 'because' });
    followed.add(index);
    return undefined;
  });
  const entries = Object.keys(answers).map((index) => entry(index));
  const made = configuredFollows({
    entries,
    defaults: DEFAULT_PARAMETERS,
    surface,
    clock,
    random: countingRandom(),
    narrator,
  });
  return { ...made, surface: wholeQueries(made.surface.pages), tries, clock, narrator, followed };
}

/** Lets everything run, and time pass, until nothing waits for time any more or `steps` pauses have passed. */
async function pass(clock: VirtualClock, steps: number): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!clock.runNext()) return;
  }
  await new Promise((resolve) => setImmediate(resolve));
}

describe('what the configuration lists', () => {
  it('is tried until its cluster answers and its leader index is there', async () => {
    const { run, clock, tries, followed, narrator, surface } = follows({
      cities: ['cluster_unreachable', 'cluster_unreachable', 'leader_missing', 'leader_closed', 'followed'],
    });
    const running = run(new AbortController().signal);
    await pass(clock, 100);
    await running;
    assert.equal(tries.get('cities'), 5);
    assert.deepEqual([...followed], ['cities']);
    assert.deepEqual(
      narrator.logs.map(({ level }) => level),
      ['warn', 'warn', 'warn'],
      'one line for each cause',
    );
    assert.deepEqual(
      (await surface.list()).map(({ state }) => state),
      ['following'],
    );
  });

  it('stands in status and list with reason and hint while it is not followed, and holds up no other', async () => {
    const { run, clock, surface } = follows({ cities: ['cluster_unreachable'], rivers: ['followed'] });
    const stop = new AbortController();
    const running = run(stop.signal);
    await pass(clock, 5);
    for (const told of [await surface.list(), await surface.status({})]) {
      const [cities, rivers] = told;
      assert.equal(told.length, 2);
      assert.equal(rivers?.state, 'following');
      assert.equal(cities?.state, 'not followed yet: cluster_unreachable: cluster paris: because');
      assert.match(cities.failure?.hint ?? '', /Check that the cluster is up/);
    }
    const asked = await surface.status({ follower: { cluster: 'tokyo', index: 'cities' } });
    assert.equal(asked[0]?.failure?.code, 'cluster_unreachable');
    assert.equal((await surface.status({ follower: { cluster: 'tokyo', index: 'ci*' } })).length, 1);
    for (const index of ['lakes', 'r*'])
      await assert.rejects(surface.status({ follower: { cluster: 'oslo', index } }), /unknown_pair/);
    await assert.rejects(surface.status({ follower: { cluster: 'tokyo', index: 'lakes' } }), /unknown_pair/);
    stop.abort();
    await running;
    assert.equal(clock.pending, 0);
  });

  it('is not tried again when it is refused for another reason, and stays visible with it', async () => {
    const { run, tries, surface, narrator } = follows({ cities: ['follower_exists'] });
    await run(new AbortController().signal);
    assert.equal(tries.get('cities'), 1);
    assert.equal((await surface.list())[0]?.state, 'not followed: follower_exists: cluster paris: because');
    assert.deepEqual(
      narrator.logs.map(({ level }) => level),
      ['error'],
    );
  });

  it('is done when it is followed already', async () => {
    const { run, surface, narrator } = follows({ cities: ['already_followed'] });
    await run(new AbortController().signal);
    assert.deepEqual(await surface.list(), []);
    assert.deepEqual(narrator.logs, []);
  });
});
