import { present } from '../../src/domain/assert.ts';
import { BulkBody } from '../../src/domain/wire/bulk-body.ts';
import type { IndexShardStats, ShardStats } from '../../src/domain/shard-stats.ts';
import type { LeaderCluster } from '../../src/ports/leader-cluster.ts';
import { shardOf } from '../support/memory-search/memory-cluster.ts';
import { parseBulk } from '../support/memory-search/memory-follower.ts';
import type { SimOptions } from './sim-options.ts';
import { LEADER, type PortWrapper, type SimWorld } from './sim-world.ts';

/** A defect that the production code would have, made by what stands between it and its ports; and what the simulation says of it. */
export interface PlantedBug {
  readonly name: string;
  readonly wrap: PortWrapper;
  readonly caughtAs: RegExp;
  /** Where it shows at all only in some company. */
  readonly options?: (options: SimOptions) => SimOptions;
}

export const PLANTED: readonly PlantedBug[] = [
  {
    name: 'a position one further than the copy',
    caughtAs: /vouches for .* which is not on the follower/,
    wrap: (ports) => ({
      ...ports,
      positions: over(ports.positions, {
        save: (writes, signal) =>
          ports.positions.save(
            writes.map(({ record, token }) => {
              const { position } = record;
              return { record: { ...record, position: { ...position, checkpoint: position.checkpoint + 1 } }, token };
            }),
            signal,
          ),
      }),
    }),
  },
  {
    name: 'deletes under the version of the copy instead of that of the global checkpoint',
    caughtAs: /came back with an older operation/,
    options: (options) => ({
      ...options,
      zombieMs: 60_000,
      ids: 20,
      operations: 150,
      writerPauseMs: 100,
      faults: { ...quiet(options), lateBulk: 0.4 },
    }),
    wrap: (ports, world) => ({
      ...ports,
      follower: over(ports.follower, {
        bulk: (request, signal) =>
          ports.follower.bulk({ ...request, body: underOwnVersions(request.body, world) }, signal),
      }),
    }),
  },
  {
    name: 'created documents that are not counted',
    caughtAs: /counts \d+, the follower has \d+/,
    wrap: (ports) => ({
      ...ports,
      follower: over(ports.follower, {
        bulk: async (request, signal) =>
          (await ports.follower.bulk(request, signal)).map((item) =>
            item.result === 'created' ? { ...item, result: 'updated' } : item,
          ),
      }),
    }),
  },
  {
    name: 'deleted documents that are still counted',
    caughtAs: /counts \d+, the follower has \d+/,
    wrap: (ports) => ({
      ...ports,
      follower: over(ports.follower, {
        bulk: async (request, signal) =>
          (await ports.follower.bulk(request, signal)).map((item) =>
            item.result === 'deleted' ? { ...item, result: 'updated' } : item,
          ),
      }),
    }),
  },
  {
    name: 'a leader that is not refreshed before it is read',
    caughtAs: /vouches for|is missing on the follower|differs on the follower|does not come right/,
    wrap: (ports) => ({
      ...ports,
      leader:
        ports.leader.name === LEADER.cluster ? over(ports.leader, { refresh: () => Promise.resolve() }) : ports.leader,
    }),
  },
  {
    name: 'positions that are saved before the follower is durable',
    caughtAs: /which is not durable/,
    wrap: (ports) => ({
      ...ports,
      leader: ports.leader.name === LEADER.cluster ? ports.leader : withStats(ports.leader, allDurable),
      follower: over(ports.follower, { flush: () => Promise.resolve() }),
    }),
  },
  {
    name: 'operations of the leader that are copied before they are safe from a failover',
    caughtAs:
      /a failover of the leader took (this|it) back|vouches for|is settled at|other than the counts said|differs on the follower/,
    options: (options) => ({ ...options, writerPauseMs: 30, faults: { ...quiet(options), leaderFailover: 0.05 } }),
    wrap: (ports) => ({
      ...ports,
      leader: ports.leader.name === LEADER.cluster ? withStats(ports.leader, allDurable) : ports.leader,
    }),
  },
  {
    name: 'documents that are passed over before the quarantine has them',
    caughtAs: /vouches for .* which is not on the follower|is in quarantine and not in its index/,
    options: refusing,
    wrap: (ports) => ({
      ...ports,
      quarantine: over(ports.quarantine, { put: () => Promise.resolve({ created: false }) }),
    }),
  },
  {
    name: 'older copies of refused documents that nobody looks for',
    caughtAs: /is settled at|the quarantine tells of copy|other than the counts said|does not come right/,
    options: refusing,
    wrap: (ports) => ({
      ...ports,
      follower: over(ports.follower, {
        multiGet: (_index, keys) =>
          Promise.resolve(keys.map(() => ({ found: false, seqNo: undefined, version: undefined }))),
      }),
    }),
  },
  {
    name: 'documents of one id that meet where shards do not align, and are taken for new ones',
    caughtAs: /is missing on the follower/,
    options: (options) => ({ ...withTwins(options), ids: 6, operations: 12, faults: quiet(options) }),
    wrap: (ports, world) => ({
      ...ports,
      leader: over(ports.leader, { listIds: () => Promise.resolve([]) }),
      follower: over(ports.follower, {
        bulk: async (request, signal) => {
          const index = present(world.followerIndex, 'a follower index');
          const before = parseBulk(request.body).map((write) => shardOf(index, write).get(write.id)?.routing);
          const items = await ports.follower.bulk(request, signal);
          return parseBulk(request.body).map((write, at) => {
            const item = present(items[at], 'an answer to each operation');
            const replaced = item.result === 'updated' && before[at] !== write.routing;
            return replaced ? { ...item, result: 'created' as const } : item;
          });
        },
      }),
    }),
  },
];

function refusing(options: SimOptions): SimOptions {
  const faults = { ...quiet(options), crash: options.faults.crash, leaderFailover: options.faults.leaderFailover };
  return { ...options, refusedShare: 0.3, refusalsEnd: 'never', ids: 12, faults };
}

/** Shards that do not align, and ids that live under several routings. */
export function withTwins(options: SimOptions, twins: Exclude<SimOptions['twins'], 'none'> = 'anywhere'): SimOptions {
  const leaderShards = 2 + (options.seed % 2);
  const followerShards = [1, 3, 2, 1][options.seed % 4] ?? 1;
  return { ...options, twins, leaderShards, followerShards, leaderFormula: 'ranges' };
}

function quiet({ faults }: SimOptions): SimOptions['faults'] {
  return Object.fromEntries(Object.keys(faults).map((name) => [name, 0])) as unknown as SimOptions['faults'];
}

function allDurable(stats: ShardStats): ShardStats {
  return { ...stats, globalCheckpoint: stats.maxSeqNo };
}

/** The port with some of its methods replaced. */
function over<P extends object>(port: P, methods: Partial<P>): P {
  return new Proxy(port, {
    get: (target, name, receiver) => Reflect.get(name in methods ? methods : target, name, receiver) as unknown,
  });
}

function withStats(port: LeaderCluster, change: (stats: ShardStats) => ShardStats): LeaderCluster {
  const changed = (shards: IndexShardStats): IndexShardStats =>
    new Map([...shards].map(([shard, stats]) => [shard, change(stats)]));
  return over(port, {
    shardStats: async (indices, signal) =>
      new Map([...(await port.shardStats(indices, signal))].map(([index, shards]) => [index, changed(shards)])),
  });
}

function underOwnVersions(body: Uint8Array, world: SimWorld): Uint8Array {
  const writes = parseBulk(body);
  if (writes.some(({ source }) => source !== undefined)) return body;
  const index = present(world.followerIndex, 'a follower index');
  const deletes = new BulkBody(body.length);
  for (const write of writes) {
    const own = shardOf(index, write).get(write.id)?.version ?? write.version ?? 0;
    deletes.addDelete(write.id, write.routing, own);
  }
  return deletes.bytes();
}
