import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderStatus, type StatusView } from '../../../src/cli/status-view.ts';
import { displayWidth } from '../../../src/cli/text.ts';
import type { IndexStatus } from '../../../src/domain/commands.ts';
import { failed } from '../../../src/domain/failure.ts';
import { index, NOW_MS, pair } from './cli-bench.ts';

const unreachable = failed('cluster_unreachable', {
  op: 'leader search',
  reason: 'connect ECONNREFUSED 127.0.0.1:9200',
}).failure;
const conflict = failed('mapping_conflict', {
  op: 'put mapping',
  reason: 'mapper [name] cannot be changed\u001b[31m\nfrom type [text]',
}).failure;
const logs = { cluster: 'tokyo', index: 'logs' };

const everyState: readonly IndexStatus[] = [
  index([
    pair({ follower: logs, shard: 2, state: 'paused', desired: 'paused', lagOperations: 5120, lagSeconds: 312.4 }),
    pair({
      follower: logs,
      shard: 0,
      state: 'retrying',
      attempt: 3,
      nextTryAtMs: NOW_MS + 3500,
      failure: unreachable,
      lagOperations: null,
      lagSeconds: 61,
    }),
    pair({ follower: logs, shard: 1, state: 'fatal', failure: conflict, followerDocuments: null }),
    pair({ follower: logs, shard: 3, state: 'paused', desired: 'paused' }),
  ]),
  index([
    pair({
      shard: 1,
      state: 'bootstrapping',
      progress: 0.624,
      lagOperations: 25_000,
      lagSeconds: 8.04,
      operationsPerSecond: 12_345.6,
      bytesPerSecond: 9_870_000,
    }),
    pair({ shard: 0, lagOperations: 12, lagSeconds: 0.4, operationsPerSecond: 1204, bytesPerSecond: 310_000 }),
  ]),
];

function shown(indices: readonly IndexStatus[], view: Partial<StatusView> = {}): readonly string[] {
  return renderStatus(indices, {
    columns: Number.POSITIVE_INFINITY,
    rows: Number.POSITIVE_INFINITY,
    nowMs: NOW_MS,
    paint: (_, text) => text,
    ...view,
  }).split('\n');
}

it('tells what it costs that shards do not align, for each index once', () => {
  const note = '2 shards into 3, which do not align: and so on';
  const lines = shown([index([pair(), pair({ shard: 1 })], { aligned: false, followerShards: 3, note })]);
  assert.deepEqual(
    lines.filter((line) => line.includes('align')),
    [`tokyo:cities: ${note}`],
  );
});

const BELOW = [
  '',
  'tokyo:logs/0 retrying: cluster_unreachable: leader search: connect ECONNREFUSED 127.0.0.1:9200',
  '  next: Check that the cluster is up and that its url is right. Slipstream keeps trying, and goes on by itself.',
  'tokyo:logs/1 fatal: mapping_conflict: put mapping: mapper [name] cannot be changed from type [text]',
  '  next: The type of a field cannot be changed: unfollow, and follow into a new index. Correct anything else on the follower, then resume.',
  'tokyo:logs/2-3 paused: by command',
  '  next: slipstream resume tokyo:logs; slipstream events tokyo:logs tells who paused it',
  '',
];

describe('the table of status', () => {
  it('has all columns where there is room, sorted, and below it whatever stands still', () => {
    assert.deepEqual(shown(everyState), [
      'FOLLOWER      SHARD  STATE                                                    PROGRESS         LAG OPS  LAG S    DOCS   OPS/S  MB/S',
      'tokyo:cities      0  following                                                                      12    0.4  67,616   1,204   0.3',
      'tokyo:cities      1  bootstrapping                                            ██████░░░░  62%   25,000    8.0  67,616  12,346   9.9',
      'tokyo:logs        0  retrying (3) in 4s: connect ECONNREFUSED 127.0.0.1:9200                         -     61  67,616       0     0',
      'tokyo:logs        1  fatal: mapping_conflict                                                         0      0       -       0     0',
      'tokyo:logs        2  paused                                                                      5,120    312  67,616       0     0',
      'tokyo:logs        3  paused                                                                          0      0  67,616       0     0',
      ...BELOW,
    ]);
  });

  it('cuts names and states first on a narrower terminal', () => {
    assert.deepEqual(shown(everyState, { columns: 100 }).slice(0, 8), [
      'FOLLOWER      SHARD  STATE                     PROGRESS         LAG OPS  LAG S    DOCS   OPS/S  MB/S',
      'tokyo:cities      0  following                                       12    0.4  67,616   1,204   0.3',
      'tokyo:cities      1  bootstrapping             ██████░░░░  62%   25,000    8.0  67,616  12,346   9.9',
      'tokyo:logs        0  retrying (3) in 4s: con…                         -     61  67,616       0     0',
      'tokyo:logs        1  fatal: mapping_conflict                          0      0       -       0     0',
      'tokyo:logs        2  paused                                       5,120    312  67,616       0     0',
      'tokyo:logs        3  paused                                           0      0  67,616       0     0',
      '',
    ]);
  });

  it('leaves the least needed columns out on a narrow one, and still names every reason', () => {
    const lines = shown(everyState, { columns: 50 });
    assert.deepEqual(lines, [
      'FOLLOWER      SHARD  STATE          LAG OPS  LAG S',
      'tokyo:cities      0  following           12    0.4',
      'tokyo:cities      1  bootstrapping   25,000    8.0',
      'tokyo:logs        0  retrying (3)…        -     61',
      'tokyo:logs        1  fatal: mappi…        0      0',
      'tokyo:logs        2  paused           5,120    312',
      'tokyo:logs        3  paused               0      0',
      ...BELOW,
    ]);
    for (const width of [30, 40, 64, 80, 120])
      for (const line of shown(everyState, { columns: width }).slice(0, 7))
        assert.ok(displayWidth(line) <= Math.max(width, 33), `${width}: ${line}`);
  });

  it('tells a cluster that is away once for all its shards, and what else stands still', () => {
    const away = { cluster: 'main', sinceMs: NOW_MS - 125_000, nextProbeAtMs: NOW_MS + 900, probes: 90, waiting: 4000 };
    const outage = { ...away, failure: { ...unreachable, cluster: 'main' } };
    const waiting = { state: 'retrying', failure: outage.failure } as const;
    const lines = shown([
      { ...index([pair(waiting), pair({ shard: 1, state: 'fatal', failure: conflict })]), outages: [outage] },
      { ...index([pair({ follower: logs, ...waiting })]), outages: [outage] },
    ]);
    assert.deepEqual(lines.slice(5, 9), [
      'cluster main does not answer, for 2m05s: cluster_unreachable: leader search: connect ECONNREFUSED 127.0.0.1:9200',
      '  4,000 shards wait and go on by themselves; next probe in 1s',
      '  next: Check that the cluster is up and that its url is right.',
      'tokyo:cities/1 fatal: mapping_conflict: put mapping: mapper [name] cannot be changed from type [text]',
    ]);
    assert.equal(lines.filter((line) => line.includes('ECONNREFUSED')).length, 3, 'two rows and one cause');
  });

  it('counts the cells of wide and combining letters', () => {
    const wide = { cluster: 'tokyo', index: '東京の都市' };
    const composed = { cluster: 'tokyo', index: 'cafe\u0301' };
    assert.deepEqual(shown([index([pair({ follower: wide })]), index([pair({ follower: composed })])]), [
      'FOLLOWER          SHARD  STATE      LAG OPS  LAG S    DOCS  OPS/S  MB/S',
      'tokyo:cafe\u0301            0  following        0      0  67,616      0     0',
      'tokyo:東京の都市      0  following        0      0  67,616      0     0',
      '',
    ]);
  });

  it('gives way to what stands still when the screen is low', () => {
    const many = index(
      Array.from({ length: 30 }, (_, shard) =>
        pair({ shard, ...(shard === 29 ? { state: 'fatal', failure: conflict } : {}) }),
      ),
    );
    const lines = shown([many], { rows: 12 });
    assert.equal(lines.length, 12, 'eleven lines, and the cursor on the twelfth');
    assert.equal(lines[0], '30 shards of 1 index: 1 fatal; 29 following');
    assert.match(lines[2] ?? '', /^tokyo:cities +29 +fatal/, 'what is most urgent stands first');
    assert.match(lines[3] ?? '', /^tokyo:cities +0 +following/);
    assert.equal(lines[7], '… 25 more shards; slipstream status --all lists all');
    assert.match(lines[9] ?? '', /^tokyo:cities\/29 fatal/);
    const broken = shown([many], { rows: 12, columns: 90 });
    assert.equal(broken.length, 10, 'two lines are broken by the terminal');
  });

  it('fills the screen and no more, however many pairs there are and stand still', () => {
    const states = ['following', 'following', 'retrying', 'paused', 'fatal'] as const;
    const many = Array.from({ length: 10_000 }, (_, at) => {
      const state = states[at % 5] ?? 'following';
      const failed = state === 'retrying' || state === 'fatal';
      const follower = { cluster: 'tokyo', index: `logs-${String(at).padStart(5, '0')}` };
      return index([pair({ follower, state, ...(failed ? { failure: conflict } : {}) })]);
    });
    const lines = shown([...many, index([], { state: 'followed' })], { rows: 40, columns: 400 });
    assert.equal(lines.length, 40);
    assert.equal(
      lines[0],
      '10,000 shards of 10,001 indices: 2,000 fatal; 2,000 retrying; 2,000 paused; 4,000 following; 1 index without shards',
    );
    const table = lines.slice(2, lines.indexOf(''));
    assert.equal(table.pop(), '… 9,983 more shards; slipstream status --all lists all');
    assert.ok(table.length === 18 && table.every((line) => / 0 +fatal/.test(line)), table.join('\n'));
    const below = lines.slice(lines.indexOf('') + 1, -1);
    assert.equal(below.pop(), '… 5,992 more; slipstream status --all tells them');
    assert.equal(below.filter((line) => /^tokyo:logs-\d+\/0 fatal: mapping_conflict/.test(line)).length, 8);
    const all = shown(many, { columns: 400 });
    assert.equal(all.filter((line) => /^tokyo:logs-\d+ +0 /.test(line)).length, 10_000);
    assert.equal(all.filter((line) => line.startsWith('  next: ')).length, 6_000);
  });

  it('shows what follows whole as long as the screen has the lines', () => {
    const lines = shown([index(Array.from({ length: 10 }, (_, shard) => pair({ shard })))], { rows: 12 });
    assert.equal(lines.length, 12);
    assert.match(lines[0] ?? '', /^FOLLOWER/);
  });

  it('tells a command that is not effective yet', () => {
    const lines = shown([
      index([pair({ desired: 'paused' }), pair({ shard: 1, state: 'paused', desired: 'running' })]),
    ]);
    assert.match(lines[1] ?? '', /following, pausing/);
    assert.match(lines[2] ?? '', /paused, resuming/);
  });

  it('names a pair that somebody else writes to, though it follows', () => {
    const text = shown([index([pair(), pair({ shard: 1, foreignWrites: 3 })])]).join('\n');
    assert.match(
      text,
      /\ntokyo:cities\/1 following: 3 operations on the follower were not Slipstream's\n {2}next: slipstream verify tokyo:cities names what differs\./,
    );
    assert.doesNotMatch(text, /tokyo:cities\/0 following/);
  });

  it('has the next step of what the configuration lists and is not followed yet', () => {
    const state = `not followed yet: ${unreachable.code}: ${unreachable.reason}`;
    const text = renderStatus([index([], { state, failure: unreachable })], {
      columns: 200,
      rows: Number.POSITIVE_INFINITY,
      nowMs: NOW_MS,
      paint: (_, shown) => shown,
    });
    assert.match(text, /tokyo:cities +- +not followed yet: cluster_unreachable: connect ECONNREFUSED/);
    assert.match(
      text,
      /\ntokyo:cities next: Check that the cluster is up and that its url is right\. Slipstream keeps trying/,
    );
  });

  it('has a line for an index without shards yet, and a sentence for nothing at all', () => {
    assert.match(shown([index([], { state: 'followed' })])[1] ?? '', /^tokyo:cities {6}- {2}followed$/);
    assert.match(shown([])[0] ?? '', /^Nothing is followed\. Begin with: slipstream follow/);
  });

  it('links the trace of what stands still', () => {
    const lines = shown([index([pair({ state: 'fatal', failure: conflict })])], {
      uiTraceUrl: 'http://ui/t/{traceId}',
    });
    assert.equal(lines.at(-2), '  trace: http://ui/t/0af7651916cd43dd8448eb211c80319c');
  });
});
