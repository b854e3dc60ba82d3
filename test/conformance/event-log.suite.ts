import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failed, type FailureCode } from '../../src/domain/failure.ts';
import { EVENT_VERSION } from '../../src/domain/journal.ts';
import { indexSubject, pairSubject } from '../../src/domain/subjects.ts';
import type { EventLog, StoredEvent } from '../../src/ports/event-log.ts';
import { follower, followedEvent, startedEvent } from '../support/journal-events.ts';
import { until } from '../support/until.ts';

/** One empty journal, and ways to harm it. */
export interface EventLogBench extends AsyncDisposable {
  readonly log: EventLog;
  /** The same journal, opened as another process would. */
  another(): Promise<EventLog>;
  /** The next append of `log` is stored, but its acknowledgement is lost. */
  loseNextAck(): void;
  /** The next append of `log` is stored, then the server is gone for `log`; `another` still reaches it. */
  loseServerAfterNextAppend(): void;
  /** The next append of `log` never arrives, and the server is gone for `log`. */
  loseServerBeforeNextAppend(): void;
  storeText(subject: string, text: string): Promise<void>;
}

const idle = new AbortController().signal;
const subject = pairSubject({ follower, shard: 0 });

/** What every event log does. Called for the fake in memory and for JetStream. */
export function testEventLog(name: string, create: () => Promise<EventLogBench>): void {
  const using = (work: (bench: EventLogBench) => Promise<void>) => async () => {
    await using bench = await create();
    await work(bench);
  };

  describe(`event log: ${name}`, () => {
    it(
      'is one journal with one id for everybody who opens it',
      using(async ({ log, another }) => {
        assert.ok(log.journalId.length > 0);
        assert.equal((await another()).journalId, log.journalId);
      }),
    );

    it(
      'appends to an empty subject when sequence 0 is expected, and then only behind the last event',
      using(async ({ log }) => {
        const first = await log.append(subject, startedEvent('e1'), 0, idle);
        const second = await log.append(subject, startedEvent('e2'), first, idle);
        assert.ok(first > 0 && second > first);
        await rejectsWith('journal_conflict', log.append(subject, startedEvent('e3'), first, idle));
        await rejectsWith('journal_conflict', log.append(subject, startedEvent('e3'), 0, idle));
        await rejectsWith('journal_conflict', log.append(subject, startedEvent('e3'), second + 7, idle));
        assert.deepEqual(ids(await read(log, '>')), ['e1', 'e2']);
      }),
    );

    it(
      'lets one of many writers in that expect the same sequence',
      using(async ({ log, another }) => {
        const other = await another();
        const results = await Promise.allSettled(
          Array.from({ length: 10 }, (_, at) =>
            (at % 2 === 0 ? log : other).append(subject, startedEvent(`e${at}`), 0, idle),
          ),
        );
        assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
        assert.equal((await read(log, '>')).length, 1);
      }),
    );

    it(
      'counts sequences of each subject apart',
      using(async ({ log }) => {
        await log.append(subject, startedEvent('e1'), 0, idle);
        const other = pairSubject({ follower, shard: 1 });
        assert.ok((await log.append(other, startedEvent('e2', { follower, shard: 1 }), 0, idle)) > 0);
      }),
    );

    it(
      'recognises its event by the id when the acknowledgement was lost',
      using(async (bench) => {
        bench.loseNextAck();
        const seq = await bench.log.append(subject, startedEvent('e1'), 0, idle);
        assert.equal((await bench.log.latestOf(subject, idle))?.seq, seq);
        await bench.log.append(subject, startedEvent('e2'), seq, idle);
        assert.deepEqual(ids(await read(bench.log, '>')), ['e1', 'e2']);
      }),
    );

    it(
      'gives the same sequence for an append that is repeated, also when others have appended since',
      using(async ({ log, another }) => {
        const seq = await log.append(subject, startedEvent('e1'), 0, idle);
        assert.equal(await log.append(subject, startedEvent('e1'), 0, idle), seq);
        await (await another()).append(subject, startedEvent('e2'), seq, idle);
        assert.equal(await log.append(subject, startedEvent('e1'), 0, idle), seq);
        assert.deepEqual(ids(await read(log, '>')), ['e1', 'e2']);
      }),
    );

    it(
      'says that the fate of an append is unknown when the server went away; repeating it stores it once',
      using(async (bench) => {
        bench.loseServerAfterNextAppend();
        const failure = await rejectsWith(
          'journal_unreachable',
          bench.log.append(subject, startedEvent('e1'), 0, idle),
        );
        assert.equal(failure.ambiguous, true);
        const other = await bench.another();
        assert.ok((await other.append(subject, startedEvent('e1'), 0, idle)) > 0);
        assert.deepEqual(ids(await read(other, '>')), ['e1']);
      }),
    );

    it(
      'stores an append once that never arrived and is repeated',
      using(async (bench) => {
        bench.loseServerBeforeNextAppend();
        const failure = await rejectsWith(
          'journal_unreachable',
          bench.log.append(subject, startedEvent('e1'), 0, idle),
        );
        assert.equal(failure.ambiguous, true);
        const other = await bench.another();
        assert.ok((await other.append(subject, startedEvent('e1'), 0, idle)) > 0);
        assert.deepEqual(ids(await read(other, '>')), ['e1']);
      }),
    );

    it(
      'gives the newest event of every subject, in order of sequence',
      using(async ({ log }) => {
        assert.deepEqual(await log.latest(idle), []);
        const subjects = [0, 1, 2].map((shard) => pairSubject({ follower, shard }));
        const last = new Map<string, number>();
        for (const round of [1, 2, 3]) {
          for (const [shard, each] of subjects.entries()) {
            if (round > shard)
              last.set(
                each,
                await log.append(
                  each,
                  startedEvent(`e${shard}-${round}`, { follower, shard }),
                  last.get(each) ?? 0,
                  idle,
                ),
              );
          }
        }
        const newest = await log.latest(idle);
        assert.deepEqual(
          newest.map((stored) => [stored.subject, stored.seq, 'event' in stored ? stored.event.id : stored.failure]),
          subjects.map((each, shard) => [each, last.get(each), `e${shard}-3`]),
        );
      }),
    );

    it(
      'gives the newest event of one subject, or nothing',
      using(async ({ log }) => {
        assert.equal(await log.latestOf(subject, idle), undefined);
        const seq = await log.append(subject, startedEvent('e1'), 0, idle);
        assert.deepEqual(await log.latestOf(subject, idle), { subject, seq, event: startedEvent('e1') });
        assert.equal(await log.latestOf(indexSubject(follower), idle), undefined);
      }),
    );

    it(
      'keeps index names apart whatever characters they hold',
      using(async ({ log }) => {
        const names = [
          'logs',
          'logs.2024',
          'logs=2E2024',
          '.ds-logs-2024.01.01-000001',
          'журнал',
          "it's~100%&(a)[b]{c}^$@!;",
          'a'.repeat(255),
        ];
        for (const index of names)
          await log.append(
            indexSubject({ cluster: 'replica', index }),
            followedEvent(`f-${index}`, { cluster: 'replica', index }),
            0,
            idle,
          );
        for (const index of names) {
          const ref = { cluster: 'replica', index };
          assert.equal((await log.latestOf(indexSubject(ref), idle))?.event.id, `f-${index}`);
          assert.deepEqual(ids(await read(log, indexSubject(ref))), [`f-${index}`]);
        }
      }),
    );

    it(
      'reads one subject, or those of a pattern, from any sequence on',
      using(async ({ log }) => {
        const second = pairSubject({ follower, shard: 1 });
        const seqs = [
          await log.append(indexSubject(follower), followedEvent('i'), 0, idle),
          await log.append(subject, startedEvent('a1'), 0, idle),
          await log.append(second, startedEvent('b1', { follower, shard: 1 }), 0, idle),
        ];
        await log.append(subject, startedEvent('a2'), seqs[1] ?? 0, idle);
        assert.deepEqual(ids(await read(log, '>')), ['i', 'a1', 'b1', 'a2']);
        assert.deepEqual(ids(await read(log, subject)), ['a1', 'a2']);
        assert.deepEqual(ids(await read(log, 'pair.replica.orders-copy.*')), ['a1', 'b1', 'a2']);
        assert.deepEqual(ids(await read(log, 'pair.>', seqs[2])), ['b1', 'a2']);
        assert.deepEqual(ids(await read(log, 'index.>', seqs[1])), []);
        assert.deepEqual(ids(await read(log, '>', 1_000)), []);
      }),
    );

    it(
      'reads thousands of events in order',
      using(async ({ log }) => {
        const subjects = Array.from({ length: 50 }, (_, shard) => shard);
        await Promise.all(
          subjects.map(async (shard) => {
            let seq = 0;
            for (let at = 0; at < 20; at += 1)
              seq = await log.append(
                pairSubject({ follower, shard }),
                startedEvent(`${shard}-${at}`, { follower, shard }),
                seq,
                idle,
              );
          }),
        );
        const all = await read(log, '>');
        assert.deepEqual(
          all.map(({ seq }) => seq),
          all.map(({ seq }) => seq).toSorted((a, b) => a - b),
        );
        assert.equal(new Set(ids(all)).size, 1_000);
        assert.equal((await log.latest(idle)).length, 50);
      }),
    );

    it(
      'follows: gives what is there and then what comes, until it is aborted',
      using(async ({ log, another }) => {
        const first = await log.append(subject, startedEvent('e1'), 0, idle);
        const stop = new AbortController();
        const seen: string[] = [];
        const following = (async () => {
          for await (const { event } of log.read('pair.>', { fromSeq: 1, follow: true }, stop.signal)) {
            seen.push(event.id);
            if (event.id === 'e1') {
              const other = await another();
              await other.append(indexSubject(follower), followedEvent('unseen'), 0, idle);
              await other.append(subject, startedEvent('e2'), first, idle);
            }
            if (event.id === 'e2') stop.abort(new Error('enough'));
          }
        })();
        await assert.rejects(following, /enough/);
        assert.deepEqual(seen, ['e1', 'e2']);
      }),
    );

    it(
      'ends a reading that its reader leaves',
      using(async ({ log }) => {
        const first = await log.append(subject, startedEvent('e1'), 0, idle);
        await log.append(subject, startedEvent('e2'), first, idle);
        for await (const { event } of log.read('>', { fromSeq: 1, follow: true }, idle)) {
          assert.equal(event.id, 'e1');
          break;
        }
      }),
    );

    it(
      'gives up at once when aborted, with the reason of the signal',
      using(async ({ log }) => {
        const gone = AbortSignal.abort(new Error('shutting down'));
        await assert.rejects(log.append(subject, startedEvent('e1'), 0, gone), /shutting down/);
        await assert.rejects(log.latest(gone), /shutting down/);
        await assert.rejects(log.latestOf(subject, gone), /shutting down/);
        await assert.rejects(read(log, '>', 1, gone, true), /shutting down/);
        assert.equal(await log.latestOf(subject, idle), undefined);
      }),
    );

    it(
      'refuses an event that cannot be read, by subject and sequence',
      using(async ({ log, storeText }) => {
        const seq = await log.append(subject, startedEvent('e1'), 0, idle);
        for (const text of ['{"entity":"pair"', '"text"', '{}', JSON.stringify({ ...startedEvent('e2'), id: 7 })]) {
          await storeText(subject, text);
          const failure = await rejectsWith('journal_corrupt', log.latestOf(subject, idle));
          assert.match(failure.reason, new RegExp(`sequence \\d+ of subject ${subject.replaceAll('.', '\\.')}`));
        }
        await rejectsWith('journal_corrupt', read(log, subject));
        await rejectsWith('journal_conflict', log.append(subject, startedEvent('e3'), seq, idle));
      }),
    );

    it(
      'refuses an event of a newer version, and says which',
      using(async ({ log, storeText }) => {
        await storeText(
          subject,
          JSON.stringify({ ...startedEvent('e1'), version: EVENT_VERSION + 1, fact: 'of another shape' }),
        );
        const failure = await rejectsWith('journal_from_newer_version', log.latestOf(subject, idle));
        assert.match(failure.reason, new RegExp(`its version is ${EVENT_VERSION + 1}`));
      }),
    );

    it(
      'tells of the newest events that cannot be read, and gives all others',
      using(async ({ log, storeText }) => {
        await log.append(subject, startedEvent('e1'), 0, idle);
        await storeText(subject, 'no event');
        const other = pairSubject({ follower, shard: 1 });
        const newer = pairSubject({ follower, shard: 2 });
        await log.append(other, startedEvent('e2', { follower, shard: 1 }), 0, idle);
        await storeText(newer, JSON.stringify({ ...startedEvent('e3'), version: EVENT_VERSION + 1 }));
        const newest = await log.latest(idle);
        assert.deepEqual(
          newest.map((one) => [one.subject, 'failure' in one ? one.failure.code : one.event.id]),
          [
            [subject, 'journal_corrupt'],
            [other, 'e2'],
            [newer, 'journal_from_newer_version'],
          ],
        );
        assert.equal(await log.lastSeq(idle), newest[2]?.seq);
      }),
    );

    it(
      'knows the sequence of its newest event, whatever the subject',
      using(async ({ log }) => {
        assert.equal(await log.lastSeq(idle), 0);
        const first = await log.append(subject, startedEvent('e1'), 0, idle);
        assert.equal(await log.lastSeq(idle), first);
        assert.equal(await log.append(indexSubject(follower), followedEvent('i'), 0, idle), await log.lastSeq(idle));
      }),
    );

    it(
      'reads from the first event on that was stored at a time or later',
      using(async ({ log }) => {
        const first = await log.append(subject, startedEvent('e1'), 0, idle);
        const since = Date.now() + 20;
        await until('the time has come', 5_000, async () => (Date.now() > since ? true : undefined));
        await log.append(subject, startedEvent('e2'), first, idle);
        assert.deepEqual(ids(await read(log, '>', 1, idle, false, since)), ['e2']);
        assert.deepEqual(ids(await read(log, '>', 1, idle, false, since - 600_000)), ['e1', 'e2']);
        assert.deepEqual(ids(await read(log, '>', 1, idle, false, Date.now() + 600_000)), []);
      }),
    );

    it(
      'removes history above a number of events of each subject, and goes on behind what stays',
      using(async ({ log, another }) => {
        const second = pairSubject({ follower, shard: 1 });
        let seq = 0;
        for (let at = 0; at < 5; at += 1) seq = await log.append(subject, startedEvent(`a${at}`), seq, idle);
        await log.append(second, startedEvent('b0', { follower, shard: 1 }), 0, idle);
        const retention = { ageMs: 3_600_000, events: 2, pauseMs: 0 };
        assert.equal(await log.purge(retention, idle), 3);
        assert.equal(await log.purge(retention, idle), 0);
        assert.deepEqual(ids(await read(log, '>')), ['a3', 'a4', 'b0']);
        await rejectsWith('journal_conflict', log.append(subject, startedEvent('a5'), 0, idle));
        await (await another()).append(subject, startedEvent('a5'), seq, idle);
        assert.equal(await log.append(subject, startedEvent('a5'), seq, idle), await log.lastSeq(idle));
      }),
    );

    it(
      'removes history above an age, and never the newest event of a subject, readable or not',
      using(async ({ log, storeText }) => {
        const second = pairSubject({ follower, shard: 1 });
        const first = await log.append(subject, startedEvent('a1'), 0, idle);
        await log.append(subject, startedEvent('a2'), first, idle);
        await log.append(second, startedEvent('b1', { follower, shard: 1 }), 0, idle);
        await storeText(second, 'no event');
        await log.append(indexSubject(follower), followedEvent('i'), 0, idle);
        assert.equal(await log.purge({ ageMs: 3_600_000, events: 1_000, pauseMs: 0 }, idle), 0);
        const aged = { ageMs: 1, events: 1_000, pauseMs: 0 };
        let removed = 0;
        await until('everything old is gone', 10_000, async () =>
          (removed += await log.purge(aged, idle)) === 2 ? true : undefined,
        );
        assert.deepEqual(
          (await log.latest(idle)).map((one) => ('failure' in one ? one.failure.code : one.event.id)),
          ['a2', 'journal_corrupt', 'i'],
        );
        assert.deepEqual(ids(await read(log, subject)), ['a2']);
        assert.equal(await log.purge(aged, idle), 0);
      }),
    );
  });
}

async function read(
  log: EventLog,
  filter: string,
  fromSeq = 1,
  signal = idle,
  follow = false,
  fromTimeMs?: number,
): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of log.read(filter, { fromSeq, fromTimeMs, follow }, signal)) events.push(event);
  return events;
}

function ids(events: readonly StoredEvent[]): string[] {
  return events.map(({ event }) => event.id);
}

async function rejectsWith(code: FailureCode, work: Promise<unknown>): Promise<Failed['failure']> {
  const error: unknown = await work.then(
    () => assert.fail(`expected ${code}, but it succeeded`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Failed, `expected ${code}, got ${String(error)}`);
  assert.equal(error.failure.code, code);
  assert.notEqual(error.failure.reason, '');
  return error.failure;
}
