/**
 * Row by row, the conditions of `src/domain/conditions.ts` that can be produced: what the pair says while it lasts, and what becomes of it.
 * The nodes are this test's own, since some rows change settings of a cluster. A row that another file proves names it.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PairStatus } from '../../../src/domain/commands.ts';
import { CONDITIONS, type ProvenCondition } from '../../../src/domain/conditions.ts';
import { ELASTIC_USER } from '../../../stack/elasticsearch.ts';
import { type Stack, startStack, withoutAddresses } from '../../../stack/local-stack.ts';
import { loadDocuments } from '../../support/bulk-load.ts';
import { refusalOf } from '../../support/refusals.ts';
import { bySize } from '../../support/test-size.ts';
import { openWorld, type SideOptions, type World } from '../../support/replication-world.ts';

const PASSWORD = 'a-password-of-the-tests';
const WITHIN_MS = 90_000;
const DOCUMENTS = 50;
const FOLLOWER_TAKES_BYTES = 1024 * 1024;
const READER_PRIVILEGES = ['read', 'monitor', 'maintenance', 'view_index_metadata'];

/** These take some six seconds each. */
const SHORT: ReadonlySet<string> = new Set<ProvenCondition>([
  'circuit_breaker',
  'cluster_read_only',
  'flood_stage',
  'privilege_removed',
  'index_deleted',
  'mapping_conflict',
  'settings_refused',
]);
/** What is done to a cluster is done to every index of it: these go one by one, the others beside each other. */
const OF_A_CLUSTER: ReadonlySet<string> = new Set<ProvenCondition>([
  'circuit_breaker',
  'cluster_read_only',
  'write_queue_full',
]);
const AT_ONCE = 4;
const full = bySize({ short: false, full: true });

interface Row {
  /** Another cluster name for the leader, i.e. another user. */
  readonly leaderAs?: string;
  /** The leader index is made so, and the condition is there from the start. */
  readonly create?: { readonly settings: object };
  /** Brings the condition about in the middle of following. */
  readonly cause?: (index: string) => Promise<unknown>;
  /** A change on the leader that meets it. */
  readonly meets?: (index: string) => Promise<unknown>;
  /** Where it ends by itself, what ends it. Absent: it is fatal. */
  readonly heal?: (index: string) => Promise<unknown>;
  /** Where it is no failure of the pair. */
  readonly seen?: (pairs: readonly PairStatus[]) => boolean;
}

describe('conditions on real servers', () => {
  let folder: string;
  let stack: Stack;
  let world: World;
  let healed = true;
  let noises: Promise<unknown> = Promise.resolve();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-conditions-'));
    await chmod(folder, 0o755);
    const environment = withoutAddresses(process.env, ['leader', 'follower']);
    stack = await startStack({
      parts: ['leader', 'follower'],
      folder,
      environment,
      leader: { heapMb: 512, security: { password: PASSWORD } },
      follower: {
        heapMb: 512,
        settings: {
          'http.max_content_length': `${FOLLOWER_TAKES_BYTES}b`,
          'thread_pool.write.size': 1,
          'thread_pool.write.queue_size': 1,
        },
      },
      log: (line) => console.log(line),
    });
    const leaderAs = (username: string): SideOptions => ({
      url: stack.server('leader').url,
      username,
      password: PASSWORD,
    });
    world = await openWorld({
      leader: leaderAs(ELASTIC_USER),
      follower: { url: stack.server('follower').url },
      clusters: { reader: leaderAs('reader') },
      requestTimeoutMs: 10_000,
    });
    await writeFile(join(folder, 'leader', 'config', 'synonyms.txt'), 'car, automobile\n');
    await grant(READER_PRIVILEGES);
    await world.leader.ok('PUT', '/_security/user/reader', { password: PASSWORD, roles: ['reader'] });
    await world.start();
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await stack?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const grant = (privileges: readonly string[]): Promise<unknown> =>
    world.leader.ok('PUT', '/_security/role/reader', {
      cluster: ['monitor'],
      indices: [{ names: ['*'], privileges }],
    });
  const clusterSetting = (side: 'leader' | 'follower', name: string, value: unknown): Promise<unknown> =>
    world[side].ok('PUT', '/_cluster/settings', { persistent: { [name]: value } });
  const indexSetting = (side: 'leader' | 'follower', index: string, name: string, value: unknown): Promise<unknown> =>
    world[side].ok('PUT', `/${index}/_settings`, { [name]: value });
  const write = (index: string): Promise<unknown> => loadDocuments(world.leader, index, DOCUMENTS);
  const rows: Readonly<Record<ProvenCondition, Row | string>> = {
    connection_lost: 'failures/cluster-outage.int.test.ts',
    node_restarts: 'failures/cluster-outage.int.test.ts',
    no_answer_in_time: 'failures/cluster-outage.int.test.ts',
    credentials_refused: 'failures/cluster-outage.int.test.ts',
    view_expired: 'search/leader.int.test.ts',
    leader_recreated: 'replication/leader-lost.int.test.ts',
    other_cluster: 'replication/leader-lost.int.test.ts',
    leader_restored: 'replication/own-nodes.int.test.ts',
    follower_name_taken: 'replication/bad-input.int.test.ts',
    shard_not_active: {
      create: { settings: { 'index.routing.allocation.require._name': 'no-such-node' } },
      heal: (index) => indexSetting('leader', index, 'index.routing.allocation.require._name', null),
    },
    write_queue_full: {
      cause: (index) => {
        const bulk = '{"index":{}}\n{"text":"some words of which there are many"}\n'.repeat(2000);
        const busy = world.name('-busy');
        const noise = async (): Promise<void> => {
          while (!healed) await world.follower.call('POST', `/${busy}/_bulk?filter_path=errors`, bulk);
        };
        const writes = async (): Promise<void> => {
          while (!healed) await write(index);
        };
        healed = false;
        noises = Promise.all([writes(), ...Array.from({ length: 24 }, noise)]);
        return Promise.resolve();
      },
      heal: async () => {
        healed = true;
        await noises;
      },
      // Told by the counter alone: the bulk was sent again in time.
      seen: (pairs) => pairs.some(({ retries, failure }) => retries > 0 || failure?.code === 'cluster_busy'),
    },
    circuit_breaker: {
      cause: () => clusterSetting('leader', 'indices.breaker.request.limit', '1kb'),
      // A delete is found by histograms, which ask the breaker.
      meets: (index) => world.leader.ok('DELETE', `/${index}/_doc/doc-7`),
      heal: () => clusterSetting('leader', 'indices.breaker.request.limit', null),
    },
    cluster_read_only: {
      cause: () => clusterSetting('follower', 'cluster.blocks.read_only', true),
      meets: write,
      heal: () => clusterSetting('follower', 'cluster.blocks.read_only', null),
    },
    flood_stage: {
      cause: (index) => indexSetting('follower', index, 'index.blocks.read_only_allow_delete', true),
      meets: write,
      heal: (index) => indexSetting('follower', index, 'index.blocks.read_only_allow_delete', null),
    },
    leader_closed: {
      cause: (index) => world.leader.ok('POST', `/${index}/_close`),
      heal: (index) => world.leader.ok('POST', `/${index}/_open`),
    },
    follower_closed: {
      cause: (index) => world.follower.ok('POST', `/${index}/_close`),
      meets: write,
      heal: (index) => world.follower.ok('POST', `/${index}/_open`),
    },
    privilege_removed: {
      leaderAs: 'reader',
      cause: () => grant(['monitor', 'maintenance', 'view_index_metadata']),
      meets: write,
      heal: () => grant(READER_PRIVILEGES),
    },
    index_deleted: {
      cause: (index) => world.follower.ok('DELETE', `/${index}`),
      meets: write,
    },
    mapping_conflict: {
      cause: (index) => world.follower.ok('PUT', `/${index}/_mapping`, { properties: { contested: { type: 'long' } } }),
      meets: async (index) => {
        await world.leader.ok('PUT', `/${index}/_mapping`, { properties: { contested: { type: 'keyword' } } });
        await write(index);
      },
    },
    settings_refused: {
      create: {
        settings: {
          analysis: {
            filter: { known: { type: 'synonym', synonyms_path: 'synonyms.txt' } },
            analyzer: { with_synonyms: { type: 'custom', tokenizer: 'standard', filter: ['known'] } },
          },
        },
      },
    },
    request_too_large: {
      cause: (index) => world.leader.ok('PUT', `/${index}/_doc/huge`, { blob: Array(2000).fill('x'.repeat(1024)) }),
      seen: (pairs) => pairs.some(({ quarantined }) => quarantined > 0),
      heal: (index) => world.leader.ok('DELETE', `/${index}/_doc/huge`),
    },
  };

  const tested = Object.entries(rows).filter(([name]) => full || SHORT.has(name));
  describe('of a whole cluster', () => {
    for (const [name, row] of tested) if (OF_A_CLUSTER.has(name)) prove(name, row);
  });
  describe('of one index or document', { concurrency: AT_ONCE }, () => {
    for (const [name, row] of tested) if (!OF_A_CLUSTER.has(name)) prove(name, row);
  });

  function prove(name: string, row: Row | string): void {
    const { what, code } = CONDITIONS[name as ProvenCondition];
    if (typeof row === 'string') {
      it(`${what} is proven in ${row}`, () => assert.ok(existsSync(new URL(`../${row}`, import.meta.url))));
      return;
    }
    const ends = row.heal === undefined ? 'stops the pair' : 'ends by itself';
    it(`${what}: it is ${code}, and ${ends}`, async () => {
      const index = world.name(`-${name.replaceAll('_', '-')}`);
      const settings = { number_of_shards: 1, number_of_replicas: 0, ...row.create?.settings };
      await world.leader.ok('PUT', `/${index}?wait_for_active_shards=0`, { settings });
      if (row.create === undefined) await write(index);
      const leader = { cluster: row.leaderAs ?? 'left', index };
      const follow = { leader, follower: world.followerOf(index) };
      if (row.create !== undefined && row.heal !== undefined) {
        assert.equal((await refusalOf(world, follow)).code, code, 'nothing is begun');
        await row.heal(index);
        await world.leader.ok('GET', `/_cluster/health/${index}?wait_for_status=green`);
        await write(index);
        await world.control.follow(follow);
        await world.awaitSettled(index, WITHIN_MS);
        return;
      }
      await world.leader.ok('GET', `/_cluster/health/${index}?wait_for_status=green`);
      await world.control.follow(follow);
      if (row.create === undefined) await world.awaitSettled(index, WITHIN_MS);
      try {
        await row.cause?.(index);
        await row.meets?.(index);
        const state = row.heal === undefined ? 'fatal' : 'retrying';
        const { seen } = row;
        if (seen === undefined)
          await world.awaitPairs(
            index,
            `${code} is told`,
            WITHIN_MS,
            (pair) => pair.state === state && pair.failure?.code === code && pair.failure.hint !== '',
          );
        else await world.awaitPairs(index, `${code} is told`, WITHIN_MS, (pair) => seen([pair]));
      } finally {
        await row.heal?.(index);
      }
      if (row.heal === undefined) return;
      await world.leader.ok('PUT', `/${index}/_doc/after`, { number: -1 });
      const pairs = await world.awaitSettled(index, WITHIN_MS);
      assert.ok(pairs.every(({ conflicts, foreignWrites }) => conflicts === 0 && foreignWrites === 0));
      assert.ok((await world.compare(index)).equal);
    });
  }
});
