import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { failed } from '../../../src/domain/failure.ts';
import type { JournalEvent } from '../../../src/domain/journal.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import type { EventLog } from '../../../src/ports/event-log.ts';
import { followedEvent, startedEvent } from '../../support/journal-events.ts';
import { bench, type Bench } from './cli-bench.ts';

const follower = { cluster: 'tokyo', index: 'a.b' };
const other = { cluster: 'tokyo', index: 'a' };
const never = new AbortController().signal;

async function append(journal: EventLog, subject: string, event: JournalEvent): Promise<void> {
  await journal.append(subject, event, (await journal.latestOf(subject, never))?.seq ?? 0, never);
}

function fatalEvent(shard: number): JournalEvent {
  const started = startedEvent(`f${shard}`, { follower, shard });
  if (started.entity !== 'pair') throw new Error('a pair event');
  const failure = failed('mapping_conflict', { op: 'put mapping', reason: 'no' }).failure;
  return {
    ...started,
    cause: 'cycle',
    by: 'ops',
    trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) },
    fact: { type: 'FATAL', failure },
    from: 'bootstrapping',
    result: { ...started.result, state: 'fatal', failure },
  };
}

async function filled(over: Parameters<typeof bench>[0] = {}): Promise<Bench> {
  const cli = bench(over);
  const journal = cli.journal.open();
  await append(journal, indexSubject(follower), followedEvent('e1', follower));
  await append(journal, indexSubject(other), followedEvent('e2', other));
  await append(journal, pairSubject({ follower, shard: 0 }), startedEvent('e3', { follower, shard: 0 }));
  await append(journal, pairSubject({ follower, shard: 1 }), startedEvent('e4', { follower, shard: 1 }));
  await append(journal, pairSubject({ follower, shard: 1 }), fatalEvent(1));
  return cli;
}

const seqs = (cli: Bench): readonly number[] => [...cli.out().matchAll(/#(\d+)/g)].map(([, seq]) => Number(seq));

describe('slipstream events', () => {
  it('tells everything, one line for each event', async () => {
    const cli = await filled();
    assert.equal(await cli.run('events'), 0);
    assert.deepEqual(cli.out().split('\n'), [
      '2023-11-14T22:13:20.000Z  #1  tokyo:a.b  followed  FOLLOWED  cause=command:c1  by=tester',
      '2023-11-14T22:13:20.000Z  #2  tokyo:a  followed  FOLLOWED  cause=command:c1  by=tester',
      '2023-11-14T22:13:20.000Z  #3  tokyo:a.b/0  none -> bootstrapping  STARTED  cause=start',
      '2023-11-14T22:13:20.000Z  #4  tokyo:a.b/1  none -> bootstrapping  STARTED  cause=start',
      `2023-11-14T22:13:20.000Z  #5  tokyo:a.b/1  bootstrapping -> fatal  FATAL  cause=cycle  by=ops  trace=${'a'.repeat(32)}  mapping_conflict: put mapping: no`,
      '',
    ]);
  });

  it('tells who allowed a mass delete, and how many documents it deleted', async () => {
    const cli = await filled();
    const pair = { follower, shard: 1 };
    const fatal = fatalEvent(1);
    if (fatal.entity !== 'pair') throw new Error('a pair event');
    const { failure: _, ...result } = { ...fatal.result, state: 'following' as const };
    const resumed = { type: 'RESUME', commandId: 'c9', rebootstrap: false, allowMassDelete: true } as const;
    const used = { type: 'MASS_DELETE_USED', commandId: 'c9', documents: 199 } as const;
    for (const fact of [resumed, used])
      await append(cli.journal.open(), pairSubject(pair), { ...fatal, id: fact.type, fact, result });
    assert.equal(await cli.run('events', 'tokyo:a.b/1', '--since', '6'), 0);
    assert.match(cli.out(), /RESUME .* allow-mass-delete\n.*MASS_DELETE_USED .* documents=199\n$/);
  });

  it('tells those of one index and its shards in order, of one shard, and from a sequence on', async () => {
    for (const [argv, expected] of [
      [['tokyo:a.b'], [1, 3, 4, 5]],
      [['tokyo:a.b/1'], [4, 5]],
      [['tokyo:a'], [2]],
      [
        ['--since', '4'],
        [4, 5],
      ],
      [
        ['tokyo:a.b', '--since', '2'],
        [3, 4, 5],
      ],
      [['tokyo:a.b', '--shard', '1', '--since', '5'], [5]],
      [['tokyo:a', '--since', '2020-01-01T00:00:00Z'], [2]],
      [
        ['--since', '1h'],
        [1, 2, 3, 4, 5],
      ],
      [['--since', '2026-05-01T12:00:01Z'], []],
      [['tokyo:none'], []],
    ] as const) {
      const cli = await filled();
      assert.equal(await cli.run('events', ...argv), 0);
      assert.deepEqual(seqs(cli), expected, argv.join(' '));
      assert.match(
        cli.err(),
        expected.length > 0 ? /^$/ : /^slipstream: no events( of tokyo:none)? in the journal( since then)?\n$/,
      );
    }
  });

  it('says so where there are none', async () => {
    const cli = await filled();
    assert.equal(await cli.run('events', 'tokyo:a.b/7', '--json'), 0);
    assert.deepEqual([cli.out(), cli.err()], ['', 'slipstream: no events of tokyo:a.b/7 in the journal\n']);
  });

  it('gives each event as a JSON line', async () => {
    const cli = await filled();
    assert.equal(await cli.run('events', 'tokyo:a.b/1', '--json'), 0);
    const events = cli
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { seq: number; subject: string; event: JournalEvent });
    assert.deepEqual(
      events.map(({ seq, event }) => [seq, event.fact.type]),
      [
        [4, 'STARTED'],
        [5, 'FATAL'],
      ],
    );
    assert.equal(events[0]?.subject, pairSubject({ follower, shard: 1 }));
  });

  for (const target of [[], ['tokyo:a.b']])
    it(`goes on with new ones until Ctrl-C: --follow ${target.join(' ')}`, async () => {
      const stdout = { write: (text: string): void => take(text) };
      const cli = await filled({ deps: { stdout } });
      const journal = cli.journal.open();
      const told: number[] = [];
      function take(text: string): void {
        for (const [, seq] of text.matchAll(/#(\d+)/g)) told.push(Number(seq));
        if (told.at(-1) === 5)
          void append(journal, indexSubject({ ...follower, index: 'x' }), followedEvent('e6')).then(() =>
            append(journal, pairSubject({ follower, shard: 0 }), fatalEvent(0)),
          );
        if (told.at(-1) === 7) cli.signal('SIGINT');
      }
      assert.equal(await cli.run('events', ...target, '--follow'), 130);
      assert.deepEqual(told, target.length === 0 ? [1, 2, 3, 4, 5, 6, 7] : [1, 3, 4, 5, 7]);
      assert.equal(cli.log.at(-1), 'close');
    });

  it('misses and doubles nothing that is appended while the backlog is read', async () => {
    const stdout = { write: (text: string): void => take(text) };
    const cli = await filled({ deps: { stdout } });
    const journal = cli.journal.open();
    const told: number[] = [];
    function take(text: string): void {
      const seq = Number(/#(\d+)/.exec(text)?.[1]);
      told.push(seq);
      // The index subject's backlog is at its end by now, that of the shards is not.
      if (seq === 3)
        void append(journal, indexSubject(follower), followedEvent('late', follower)).then(() =>
          append(journal, pairSubject({ follower, shard: 0 }), fatalEvent(0)),
        );
      if (told.includes(6) && told.includes(7)) cli.signal('SIGTERM');
    }
    assert.equal(await cli.run('events', 'tokyo:a.b', '--follow'), 143);
    assert.deepEqual(
      told.toSorted((a, b) => a - b),
      [1, 3, 4, 5, 6, 7],
    );
  });

  it('ends quietly when nobody reads any more', async () => {
    const stdout = { write: (): void => cli.closeOutput() };
    const cli = await filled({ deps: { stdout } });
    assert.equal(await cli.run('events', '--follow'), 0);
  });

  it('tells a journal that does not answer', async () => {
    const cli = bench({
      deps: {
        connectControl: () =>
          Promise.reject(failed('journal_unreachable', { op: 'connect', reason: 'connection refused' })),
      },
    });
    assert.equal(await cli.run('events'), 69);
    assert.match(cli.err(), /^slipstream: journal_unreachable: connect: connection refused\n/);
  });
});
