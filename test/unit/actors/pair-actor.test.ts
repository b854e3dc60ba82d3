/** The actor of a pair between its journal and its work: what is recorded, when, and what a new process makes of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import { evolve, type PairEvent, type PairSnapshot } from '../../../src/domain/journal.ts';
import type { Position } from '../../../src/domain/position.ts';
import { pairSubject } from '../../../src/domain/subjects.ts';
import { encodeEvent } from '../../../src/infra/nats/journal-codec.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { type ActorBench, actorBench, refusalOf } from './actor-bench.ts';

const PAIR = 'replica/orders-copy/0';

function facts(events: readonly PairEvent[]): readonly string[] {
  return events.map(({ fact }) => fact.type);
}

async function following(bench: ActorBench): Promise<void> {
  bench.put('d1');
  await bench.follow();
  await bench.until(() => bench.state() === 'following', 'following');
}

function savedPosition(bench: ActorBench): Position | undefined {
  return bench.world.positions.records.get(PAIR)?.record.position;
}

function followerDurability(bench: ActorBench): unknown {
  return bench.world.followerSettings()['index.translog.durability'];
}

describe('what is recorded, and when', () => {
  test('a copy is begun, done, paused and resumed in this order, and each event says what results', async () => {
    const bench = actorBench();
    await following(bench);
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    await bench.resume();
    const events = await bench.events();
    assert.deepEqual(
      events.map(({ from, fact, result }) => `${from} ${fact.type} ${result.state} ${result.desired}`),
      [
        'none STARTED bootstrapping running',
        'bootstrapping BOOTSTRAPPED following running',
        'following PAUSE following paused',
        'following PAUSED paused paused',
        'paused RESUME following running',
      ],
    );
    assert.deepEqual(
      events.map(({ cause, by }) => [cause, by]),
      [
        ['command:c-follow', undefined],
        ['cycle', undefined],
        ['command:c-pause', 'ada'],
        ['cycle', undefined],
        ['command:c-resume', undefined],
      ],
    );
  });

  test('decisions are in the journal before their effect, facts after theirs', async () => {
    const bench = actorBench();
    let stored: PairEvent[] = [];
    const { journal } = bench.world;
    let size = 0;
    bench.onStep = () => {
      if (journal.size === size) return;
      size = journal.size;
      void bench.events().then((events) => {
        for (const event of events.slice(stored.length)) {
          const { type } = event.fact;
          if (type === 'STARTED') assert.equal(bench.world.followerIndex, undefined, 'nothing was created before');
          if (type === 'BOOTSTRAPPED') assert.notEqual(followerDurability(bench), 'async');
          if (type === 'BOOTSTRAPPED') assert.equal(savedPosition(bench)?.checkpoint, event.fact.checkpoint);
          if (type === 'PAUSE') assert.equal(savedPosition(bench)?.clean, false, 'still at work');
          if (type === 'PAUSED') assert.equal(savedPosition(bench)?.clean, true, 'the position is saved');
        }
        stored = [...events];
      });
    };
    await following(bench);
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    assert.deepEqual(facts(stored), ['STARTED', 'BOOTSTRAPPED', 'PAUSE', 'PAUSED']);
  });

  test('of its own event it keeps the record that was read from the journal, but none of an earlier life', async () => {
    const bench = actorBench();
    await following(bench);
    const event = present((await bench.events()).at(-1), 'an event');
    const pair = bench.pair();
    const seen = (result: PairSnapshot): void =>
      pair.observed({ subject: pairSubject(pair.pair), seq: pair.seq, event: { entity: 'pair', ...event, result } });
    seen(event.result);
    await bench.until(() => pair.snapshot === event.result, 'one record for both');
    seen({ ...event.result, followId: 'c-before' });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(pair.snapshot, event.result);
  });

  test('the fold of the events is the live state at every moment, give or take the event that is being appended', async () => {
    const bench = actorBench();
    let compared = 0;
    bench.onStep = () => {
      const { snapshot } = bench.world.life?.supervisor.pairs[0] ?? {};
      if (snapshot === undefined) return;
      void bench.events().then((events) => {
        const results = events.slice(-2).map((event) => evolve(undefined, event));
        assert.ok(results.some((result) => JSON.stringify(result) === JSON.stringify(snapshot)));
        compared += 1;
      });
    };
    await following(bench);
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    await bench.resume({ rebootstrap: true });
    await bench.until(() => bench.state() === 'following', 'following again');
    assert.ok(compared > 100);
    assert.deepEqual(bench.pair().snapshot, (await bench.events()).at(-1)?.result);
  });

  test('what fails is recorded when retrying begins and ends, not at every attempt', async () => {
    const bench = actorBench({ parameters: { max_retry_delay_ms: 300 } });
    await following(bench);
    bench.world.leaderIndex.state = 'close';
    await bench.until(() => bench.state() === 'retrying', 'retrying');
    await bench.until(() => bench.pair().retry.attempt >= 4, 'four attempts');
    assert.equal(bench.pair().retry.failure?.code, 'index_closed');
    assert.ok(bench.pair().retry.nextTryAtMs !== undefined);
    bench.world.leaderIndex.state = 'open';
    await bench.until(() => bench.state() === 'following', 'following');
    assert.deepEqual(facts(await bench.events()), ['STARTED', 'BOOTSTRAPPED', 'FAILED', 'RECOVERED']);
    assert.equal(bench.pair().retry.attempt, 0);
  });
});

describe('a journal that does not answer', () => {
  test('a decision that was not stored changes nothing, and the caller is told', async () => {
    const bench = actorBench();
    await following(bench);
    bench.world.journal.failNextAppend('lost-before');
    assert.equal((await refusalOf(bench.pause())).code, 'journal_unreachable');
    bench.put('d2');
    const behind = (): boolean => (bench.pair().session.replicator?.progress.checkpoint ?? -1) >= 1;
    await bench.until(behind, 'the copy of d2');
    assert.deepEqual([bench.state(), bench.pair().snapshot?.desired], ['following', 'running']);
    assert.deepEqual(facts(await bench.events()), ['STARTED', 'BOOTSTRAPPED']);
  });

  test('a decision that was stored although the caller heard otherwise takes effect', async () => {
    const bench = actorBench();
    await following(bench);
    bench.world.journal.failNextAppend('lost-after');
    assert.equal((await refusalOf(bench.pause())).ambiguous, true);
    await bench.until(() => bench.state() === 'paused', 'paused');
    assert.deepEqual(facts(await bench.events()).slice(2), ['PAUSE', 'PAUSED']);
  });

  test('a lost acknowledgement that the journal finds again is no failure', async () => {
    const bench = actorBench();
    await following(bench);
    bench.world.journal.failNextAppend('lost-ack');
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    assert.deepEqual(facts(await bench.events()).slice(2), ['PAUSE', 'PAUSED']);
  });

  for (const fault of ['lost-before', 'lost-after'] as const) {
    test(`what has happened is recorded however long the journal is away (${fault})`, async () => {
      const bench = actorBench();
      bench.put('d1');
      await bench.follow();
      await bench.until(() => savedPosition(bench) !== undefined, 'a first position');
      bench.world.journal.failNextAppend(fault);
      await bench.until(() => bench.state() === 'following', 'following');
      assert.deepEqual(facts(await bench.events()), ['STARTED', 'BOOTSTRAPPED']);
    });
  }

  for (const fault of ['lost-before', 'lost-after'] as const) {
    test(`a follower that was made while the journal was away is found again (${fault})`, async () => {
      const bench = actorBench();
      await bench.follow();
      // The next one tells that the index is prepared.
      bench.world.journal.failNextAppend(fault);
      await bench.until(() => bench.state() === 'following', 'following');
      assert.deepEqual(facts(await bench.events()), ['STARTED', 'FAILED', 'RECOVERED', 'BOOTSTRAPPED']);
      assert.equal(bench.world.life?.supervisor.pairs.length, 1);
    });

    test(`a follow whose answer was lost is accepted when it is repeated (${fault})`, async () => {
      const bench = actorBench();
      const life = bench.world.startLife();
      await bench.run(life.supervisor.start());
      bench.world.journal.failNextAppend(fault);
      const follow = (commandId: string): Promise<unknown> =>
        bench.run(life.supervisor.follow({ leader: LEADER, follower: FOLLOWER, commandId }));
      assert.equal((await refusalOf(follow('c1'))).code, 'journal_unreachable');
      await follow('c1');
      await bench.until(() => bench.state() === 'following', 'following');
      assert.equal((await refusalOf(follow('c2'))).code, 'already_followed');
    });
  }
});

describe('a new process goes on from the journal', () => {
  test('bootstrapping, without starting anew', async () => {
    const bench = actorBench();
    bench.put('d1');
    await bench.follow();
    await bench.until(() => savedPosition(bench) !== undefined, 'a first position');
    assert.equal(bench.state(), 'bootstrapping');
    await bench.crash();
    await bench.until(() => bench.state() === 'following', 'following');
    assert.deepEqual(facts(await bench.events()), ['STARTED', 'BOOTSTRAPPED']);
  });

  test('following, with the documents that came meanwhile', async () => {
    const bench = actorBench();
    await following(bench);
    bench.put('d2');
    await bench.crash();
    await bench.until(() => bench.world.followerIndex?.shards[0]?.get('d2') !== undefined, 'a copy of d2');
    assert.deepEqual(facts(await bench.events()), ['STARTED', 'BOOTSTRAPPED']);
  });

  test('retrying, with the reason', async () => {
    const bench = actorBench({ parameters: { max_retry_delay_ms: 300 } });
    await following(bench);
    bench.world.down.add(LEADER.cluster);
    await bench.until(() => bench.state() === 'retrying', 'retrying');
    await bench.crash();
    assert.equal(bench.state(), 'retrying');
    assert.equal(bench.pair().snapshot?.failure?.code, 'cluster_unreachable');
    bench.world.down.clear();
    await bench.until(() => bench.state() === 'following', 'following');
    assert.deepEqual(facts(await bench.events()).slice(2), ['FAILED', 'RECOVERED']);
  });

  test('paused, and moves nothing', async () => {
    const bench = actorBench();
    await following(bench);
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    await bench.crash();
    bench.put('d2');
    const until = bench.world.clock.monotonic() + 5000;
    await bench.until(() => bench.world.clock.monotonic() > until, 'five seconds later');
    assert.equal(bench.state(), 'paused');
    assert.equal(bench.world.followerIndex?.shards[0]?.get('d2'), undefined);
    await bench.resume();
    await bench.until(() => bench.world.followerIndex?.shards[0]?.get('d2') !== undefined, 'a copy of d2');
  });

  test('fatal, with the reason, until it is resumed', async () => {
    const bench = actorBench({ parameters: { on_missing_history: 'fail' } });
    await following(bench);
    const { leaderIndex } = bench.world;
    for (const shard of leaderIndex.shards) shard.historyUuid = 'another';
    bench.put('d2');
    await bench.until(() => bench.state() === 'fatal', 'fatal');
    await bench.crash();
    assert.deepEqual([bench.state(), bench.pair().snapshot?.failure?.code], ['fatal', 'history_changed']);
    await bench.resume({ rebootstrap: true });
    await bench.until(() => bench.state() === 'following', 'following');
    assert.equal(bench.pair().snapshot?.epoch, 2);
    const story = ['HISTORY_GONE', 'RESUME', 'EPOCH_RAISED', 'BOOTSTRAPPED'];
    assert.deepEqual(facts(await bench.events()).slice(2), story);
  });

  test('a pause that was accepted and had no effect yet takes effect first', async () => {
    const bench = actorBench();
    await following(bench);
    bench.put('d2');
    // Accepted when the journal has it; the process dies before the worker has drained.
    const accepted = bench.world.journal.size + 1;
    void bench.pause().catch(() => undefined);
    await bench.until(() => bench.world.journal.size === accepted, 'an accepted pause');
    await bench.crash();
    await bench.until(() => bench.state() === 'paused', 'paused');
    assert.deepEqual(facts(await bench.events()).slice(2), ['PAUSE', 'PAUSED']);
    assert.equal(bench.world.followerIndex?.shards[0]?.get('d2'), undefined);
  });

  test('a raised epoch is raised once, although the process dies right after it', async () => {
    const bench = actorBench();
    await following(bench);
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    await bench.resume({ rebootstrap: true });
    await bench.until(() => bench.pair().snapshot?.epoch === 2, 'the second epoch');
    await bench.crash();
    await bench.until(() => bench.state() === 'following', 'following');
    assert.equal(bench.pair().snapshot?.epoch, 2);
    assert.equal(facts(await bench.events()).filter((type) => type === 'EPOCH_RAISED').length, 1);
  });
});

describe('commands that meet each other', () => {
  test('a pause right after a resume is not lost', async () => {
    const bench = actorBench();
    await following(bench);
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    const { supervisor } = bench.world.life ?? assert.fail('nothing lives');
    const both = Promise.all([supervisor.resume({ follower: FOLLOWER }), supervisor.pause({ follower: FOLLOWER })]);
    await bench.run(both);
    await bench.until(() => bench.state() === 'paused', 'paused again');
    assert.equal(bench.pair().snapshot?.desired, 'paused');
  });

  test('a pause that is taken back before it has effect leaves the pair at work', async () => {
    const bench = actorBench();
    await following(bench);
    await bench.pause();
    assert.equal(bench.state(), 'following');
    await bench.resume();
    bench.put('d2');
    await bench.until(() => bench.world.followerIndex?.shards[0]?.get('d2') !== undefined, 'a copy of d2');
    assert.deepEqual([bench.state(), bench.pair().snapshot?.desired], ['following', 'running']);
  });

  test('a repeated pause is accepted without another event', async () => {
    const bench = actorBench();
    await following(bench);
    await bench.pause();
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    await bench.pause();
    assert.deepEqual(facts(await bench.events()).slice(2), ['PAUSE', 'PAUSED']);
  });

  test('a copy anew is refused while the pair runs, and accepted while it is being paused', async () => {
    const bench = actorBench();
    await following(bench);
    assert.equal((await refusalOf(bench.resume({ rebootstrap: true }))).code, 'not_paused');
    const { supervisor } = bench.world.life ?? assert.fail('nothing lives');
    const paused = supervisor.pause({ follower: FOLLOWER });
    await bench.until(() => bench.pair().snapshot?.desired === 'paused', 'an accepted pause');
    await bench.run(Promise.all([paused, supervisor.resume({ follower: FOLLOWER, rebootstrap: true })]));
    await bench.until(() => bench.state() === 'following', 'following');
    assert.equal(bench.pair().snapshot?.epoch, 2);
  });
});

describe('runs and their traces', () => {
  test('a run lasts until a pause; the next one is another trace, linked to it', async () => {
    const bench = actorBench();
    await following(bench);
    const first = bench.pair().snapshot?.run;
    await bench.pause();
    await bench.until(() => bench.state() === 'paused', 'paused');
    await bench.resume();
    const second = bench.pair().snapshot?.run;
    assert.deepEqual([first?.transitions, second?.transitions], [2, 1]);
    assert.notEqual(first?.traceId, second?.traceId);
    const { runs } = bench.world.narrator;
    assert.deepEqual(
      runs.map(({ traceId, previousTraceId }) => [traceId, previousTraceId]),
      [
        [first?.traceId, undefined],
        [second?.traceId, first?.traceId],
      ],
    );
    for (const { trace, result } of await bench.events()) assert.equal(trace?.traceId, result.run.traceId);
  });

  test('a new process goes on with the trace of the run', async () => {
    const bench = actorBench();
    await following(bench);
    const { traceId } = bench.pair().snapshot?.run ?? assert.fail('no run');
    await bench.crash();
    await bench.pause();
    assert.equal(bench.pair().snapshot?.run.traceId, traceId);
    assert.equal(bench.pair().snapshot?.run.transitions, 3);
  });

  test('a run that has grown long goes on in another trace', async () => {
    const bench = actorBench();
    await following(bench);
    const last = (await bench.events()).at(-1) ?? assert.fail('no event');
    const run = { ...last.result.run, transitions: 200 };
    const long = { ...last, id: 'long', result: { ...last.result, run } };
    bench.world.journal.storeText(pairSubject(last.pair), encodeEvent({ entity: 'pair', ...long }));
    await bench.crash();
    await bench.pause();
    const now = bench.pair().snapshot?.run;
    assert.equal(now?.transitions, 1);
    assert.notEqual(now?.traceId, run.traceId);
  });
});

test('an orderly stop is no event, leaves no timer, and its counts are trusted by the next process', async () => {
  const bench = actorBench();
  await following(bench);
  const before = await bench.events();
  const life = bench.world.life ?? assert.fail('nothing lives');
  await bench.run(life.stop());
  assert.deepEqual(await bench.events(), before);
  assert.equal(life.clock.pending, 0);
  assert.deepEqual([savedPosition(bench)?.clean, savedPosition(bench)?.followerCount], [true, 1]);
  const next = bench.world.startLife();
  await bench.run(next.supervisor.start());
  await bench.until(() => savedPosition(bench)?.clean === false, 'a start');
  assert.equal(bench.pair().session.replicator?.progress.followerCount, 1);
});
