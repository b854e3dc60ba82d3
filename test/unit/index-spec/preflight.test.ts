/** The order and wording of refusals, over two scripted clusters; what real clusters answer is tested in test/integration/follower-index. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failed, failed, type Failure } from '../../../src/domain/failure.ts';
import type { FollowerMark } from '../../../src/domain/index-spec/follower-mark.ts';
import type { IndexAdmin, IndexDescription, NameKind, ReaderView } from '../../../src/ports/index-admin.ts';
import { type FollowRequest, preflight } from '../../../src/replication/index/preflight.ts';
import { prepareFollower } from '../../../src/replication/index/prepare.ts';
import { putSettingsSingly } from '../../../src/replication/index/put-settings.ts';
import { described, marked } from './described.ts';

interface Script {
  readonly clusterUuid?: string;
  readonly version?: string;
  readonly kind?: NameKind;
  readonly index?: IndexDescription;
  readonly view?: ReaderView;
  readonly identify?: () => Promise<never>;
}

/** Answers questions and fails on every change. */
function scripted(name: string, script: Script): IndexAdmin {
  const never = (): Promise<never> => Promise.reject(new Error(`${name} was changed`));
  return {
    name,
    identify:
      script.identify ??
      (() =>
        Promise.resolve({
          clusterUuid: script.clusterUuid ?? name,
          version: script.version ?? '9.4.3',
          distribution: 'elasticsearch' as const,
        })),
    kindOf: () => Promise.resolve(script.kind ?? (script.index === undefined ? 'missing' : 'index')),
    describe: () => Promise.resolve(script.index),
    markedIndices: never,
    readerView: () => Promise.resolve(script.view ?? 'whole'),
    shardsOf: never,
    createIndex: never,
    putMapping: never,
    putSettings: never,
    updateAliases: never,
    putPipeline: never,
    close: never,
    open: never,
    awaitPrimaries: never,
  };
}

const { signal } = new AbortController();

function request(leader: Script, follower: Script, parts: Partial<FollowRequest> = {}): FollowRequest {
  return {
    leaderAdmin: scripted('left', { index: described(), ...leader }),
    followerAdmin: scripted('right', follower),
    leader: { cluster: 'left', index: 'cities' },
    follower: { cluster: 'right', index: 'cities' },
    journalId: 'journal',
    ...parts,
  };
}

async function refusal(asked: FollowRequest): Promise<Failure> {
  try {
    await preflight(asked, signal);
  } catch (thrown) {
    if (thrown instanceof Failed) return thrown.failure;
    throw thrown;
  }
  assert.fail('it should have been refused');
}

const copy = (mark?: FollowerMark, meta: object = mark === undefined ? {} : { slipstream: mark }): Script => ({
  index: described({ uuid: 'follower-uuid', mappings: { _meta: meta } }),
});
const unreachable = (cluster?: string): Script => ({
  identify: () =>
    Promise.reject(
      failed('cluster_unreachable', {
        op: 'identify',
        reason: 'ECONNREFUSED',
        ...(cluster === undefined ? {} : { cluster }),
      }),
    ),
});

for (const [name, asked, code, cluster, reason] of [
  ['a leader that does not answer', request(unreachable('left'), {}), 'cluster_unreachable', 'left', /ECONNREFUSED/],
  ['a follower that does not answer', request({}, unreachable()), 'cluster_unreachable', 'right', /ECONNREFUSED/],
  [
    'wrong credentials',
    request(
      {
        identify: () =>
          Promise.reject(failed('unauthorized', { op: 'identify', reason: 'unable to authenticate user [x]' })),
      },
      {},
    ),
    'unauthorized',
    'left',
    /unable to authenticate/,
  ],
  ['a missing leader', request({ kind: 'missing' }, {}), 'leader_missing', 'left', /no index cities/],
  ['an alias', request({ kind: 'alias' }, {}), 'leader_not_an_index', 'left', /an alias/],
  ['a data stream', request({ kind: 'data_stream' }, {}), 'leader_not_an_index', 'left', /a data stream/],
  ['a closed leader', request({ index: described({ state: 'close' }) }, {}), 'leader_closed', 'left', /closed/],
  [
    'a leader without _source',
    request({ index: described({ mappings: { _source: { enabled: false } } }) }, {}),
    'source_unusable',
    'left',
    /disabled/,
  ],
  [
    'a leader without sequence numbers',
    request({ index: described({ settings: { 'index.disable_sequence_numbers': 'true' } }) }, {}),
    'seq_no_unusable',
    'left',
    /disable_sequence_numbers/,
  ],
  [
    'a reader under document level security',
    request({ view: 'document_level_security' }, {}),
    'reader_sees_part',
    'left',
    /document level security/,
  ],
  [
    'a reader under field level security',
    request({ view: 'field_level_security' }, {}),
    'reader_sees_part',
    'left',
    /field level security/,
  ],
  [
    'an index followed into itself',
    request({ clusterUuid: 'one' }, { clusterUuid: 'one' }),
    'follows_itself',
    'left',
    /one and the same/,
  ],
  ['a follower name that is an alias', request({}, { kind: 'alias' }), 'follower_exists', 'right', /an alias/],
  ['a follower of unknown origin', request({}, copy()), 'follower_exists', 'right', /did not create it/],
  [
    'a follower with an unreadable mark',
    request({}, copy(undefined, { slipstream: 7 })),
    'follower_exists',
    'right',
    /cannot read/,
  ],
  [
    'a follower of another index',
    request({}, copy(marked({ leader: { ...marked().leader, uuid: 'other', index: 'towns' } }))),
    'follower_exists',
    'right',
    /left:towns/,
  ],
  [
    'a follower of another journal',
    request({}, copy(marked({ journalId: 'other' }))),
    'follower_exists',
    'right',
    /another journal/,
  ],
  ['a promoted follower', request({}, copy(marked({ role: 'promoted' }))), 'follower_exists', 'right', /was promoted/],
  [
    'an illegal follower name',
    request({}, {}, { follower: { cluster: 'right', index: 'Cities' } }),
    'invalid_command',
    undefined,
    /^follower\.index must be lower case/,
  ],
  [
    'a number of shards that is none',
    request({}, {}, { overrides: { index: { number_of_shards: '1025' } } }),
    'invalid_command',
    undefined,
    /index\.number_of_shards must be a whole number of 1 to 1024/,
  ],
  [
    'fewer shards than routings are spread over',
    request(
      { index: described({ settings: { 'index.number_of_shards': '5', 'index.routing_partition_size': '3' } }) },
      {},
      { overrides: { 'index.number_of_shards': '3' } },
    ),
    'invalid_command',
    undefined,
    /shards: 3 are too few for index\.routing_partition_size 3/,
  ],
  [
    'two illegal names and a bad setting',
    request(
      unreachable(),
      {},
      {
        leader: { cluster: 'left', index: 'a*' },
        follower: { cluster: 'right', index: '' },
        overrides: { mode: 'logsdb' },
      },
    ),
    'invalid_command',
    undefined,
    /leader\.index.*follower\.index.*settings: index\.mode/,
  ],
] as const) {
  test(`${name} is refused before anything is changed`, async () => {
    const failure = await refusal(asked);
    assert.deepEqual([failure.code, failure.cluster], [code, cluster]);
    assert.match(failure.reason, reason);
    assert.notEqual(failure.hint, '');
  });
}

test('the same name in two clusters, and another name in one cluster, are fine', async () => {
  assert.equal((await preflight(request({}, {}), signal)).adopts, undefined);
  const inOne = request(
    { clusterUuid: 'one' },
    { clusterUuid: 'one' },
    { follower: { cluster: 'right', index: 'copy' } },
  );
  assert.equal((await preflight(inOne, signal)).leaderClusterUuid, 'one');
});

test('an accepted follow tells the shards, and whether a follower of ours is taken up', async () => {
  const leader = { index: described({ settings: { 'index.number_of_shards': '3' } }) };
  const plan = await preflight(
    request(leader, copy(marked({ epoch: 2 })), { overrides: { number_of_replicas: 0 } }),
    signal,
  );
  assert.equal(plan.shards, 3);
  assert.equal(plan.adopts?.epoch, 2);
  assert.deepEqual(plan.overrides, { 'index.number_of_replicas': '0' });
});

for (const [leader, follower, knows] of [
  ['9.4.3', '9.4.0', true],
  ['9.4.3', '9.5.0', true],
  ['9.4.3', '9.3.9', false],
  ['9.4.3', '8.19.8', false],
  ['8.19.8', '9.4.3', true],
] as const) {
  test(`a follower of version ${follower} ${knows ? 'knows' : 'may not know'} every setting of version ${leader}`, async () => {
    assert.equal(
      (await preflight(request({ version: leader }, { version: follower }), signal)).followerKnowsAll,
      knows,
    );
  });
}

test('only a missing privilege lets a follower go unguarded', async () => {
  const plan = await preflight(request({}, {}), signal);
  const putPipeline = (): Promise<never> =>
    Promise.reject(failed('cluster_busy', { op: 'put pipeline', reason: 'busy' }));
  await assert.rejects(
    prepareFollower(
      { ...plan, followerAdmin: { ...plan.followerAdmin, putPipeline } },
      { epoch: 1, primariesTimeoutMs: 1 },
      signal,
    ),
    /cluster_busy/,
  );
});

test('of many settings only those that are refused are named, and the others are put', async () => {
  const put: string[] = [];
  const putSettings: IndexAdmin['putSettings'] = (_, settings) => {
    const bad = Object.keys(settings).filter((key) => key.startsWith('bad'));
    if (bad.length > 0) return Promise.reject(failed('settings_rejected', { op: 'put settings', reason: bad.join() }));
    put.push(...Object.keys(settings));
    return Promise.resolve();
  };
  const refused = await putSettingsSingly(
    { ...scripted('right', {}), putSettings },
    'cities',
    { a: '1', bad1: '1', b: null, bad2: '1' },
    signal,
  );
  assert.deepEqual(
    refused.map(({ key, failure }) => [key, failure.reason]),
    [
      ['bad1', 'bad1'],
      ['bad2', 'bad2'],
    ],
  );
  assert.deepEqual(put, ['a', 'b']);
});

test('a setting of the follow command that the follower refuses is told with the step that helps', async () => {
  const plan = await preflight(request({}, {}, { overrides: { number_of_replica: 0 } }), signal);
  const prepare = async (reason: string): Promise<Failure> => {
    const followerAdmin = {
      ...plan.followerAdmin,
      putPipeline: () => Promise.resolve(),
      createIndex: () => Promise.reject(failed('settings_rejected', { op: 'create index', reason })),
    };
    try {
      await prepareFollower({ ...plan, followerAdmin }, { epoch: 1, primariesTimeoutMs: 1 }, signal);
    } catch (thrown) {
      if (thrown instanceof Failed) return thrown.failure;
      throw thrown;
    }
    return assert.fail('it should have failed');
  };
  const typo = await prepare('unknown setting [index.number_of_replica] please check');
  assert.deepEqual(
    [typo.code, typo.op, typo.reason],
    ['settings_rejected', 'create index', 'unknown setting [index.number_of_replica] please check'],
  );
  assert.match(typo.hint, /index\.number_of_replica\. Unfollow, then follow with/);
  const leaders = await prepare('unknown setting [index.of_the_leader]');
  assert.match(leaders.hint, /a setting of the leader/);
});
