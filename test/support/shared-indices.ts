/** Many small indices of one shard each, which several supervisors of one world share. Nobody but this writes to them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { parseClaim, parseKey, parseSession } from '../../src/actors/slot-records.ts';
import { commandClient } from '../../src/control/client.ts';
import type { ControlSurface, PairStatus } from '../../src/domain/commands.ts';
import { natsCommandTransport } from '../../src/infra/nats/command-client.ts';
import { openLeaseStore } from '../../src/infra/nats/lease-store.ts';
import { systemClock } from '../../src/infra/system/clock.ts';
import { systemRandom } from '../../src/infra/system/random.ts';
import { inTurns } from './in-turns.ts';
import { LEADER, type Side, type World } from './replication-world.ts';
import type { SupervisorProcess } from './supervisor-process.ts';
import { bySize } from './test-size.ts';
import { until } from './until.ts';

export interface SharedIndices {
  readonly names: readonly string[];
  /** Another round: in each index, or in some, some documents more, some changed, one deleted. */
  write(some?: readonly string[]): Promise<void>;
  /** `accepted` hears how long each of them took. */
  follow(accepted?: (seconds: number) => void): Promise<void>;
  /** A supervisor of that name; `program` is its entry point, if not that of this code. */
  start(name: string, program?: string): Promise<SupervisorProcess>;
  processOf(name: string): SupervisorProcess;
  pairs(): Promise<readonly PairStatus[]>;
  /** Until every pair is owned, by one of these each, and each of these owns some. */
  awaitOwners(...names: readonly string[]): Promise<void>;
  /** Slots by the name of their supervisor, as its live session claims them. */
  slots(): Promise<ReadonlyMap<string, number>>;
  /** Until all pairs are owned by one of these and followed: each has found its index and its saved position again, and looks at its leader. */
  awaitFollowed(owners: readonly string[], withinMs: number): Promise<void>;
  /** Until all pairs are owned by one of these, follow, and have applied what was written so far. */
  awaitApplied(owners: readonly string[], withinMs: number): Promise<void>;
  /** Everything is applied, deletes included, and each index is the same on both sides. Nobody may write meanwhile. */
  awaitIdentical(): Promise<void>;
}

const AT_ONCE = 8;
/** For the state of all pairs, which takes its supervisors some work. */
const ASKED_EVERY_MS = bySize({ short: 250, full: 1_000 });
/** Whoever is suspended is asked as well, until NATS has noticed: then again, somebody else. */
const ANSWERED_WITHIN_MS = bySize({ short: 1_000, full: 3_000 });
const LINES_AT_ONCE = 4_000;
/** The life of a session that was not ended, moves, and as much again for a slow machine. */
const TAKEN_OVER_WITHIN_MS = 60_000;
const ROUND = { added: 3, changed: 2 };

/** @param tell hears how far it is. */
export async function shareIndices(
  world: World,
  count: number,
  tell: (line: string) => void = () => undefined,
): Promise<SharedIndices> {
  const names = Array.from({ length: count }, () => world.name());
  const supervisors = new Map<string, SupervisorProcess>();
  const { nats, stream, prefix } = world;
  const store = await openLeaseStore(nats, { stream, prefix: `${prefix}.leases`, nowMs: () => systemClock.now() });
  const observer = commandClient({
    transport: natsCommandTransport(nats, { prefix }),
    clock: systemClock,
    random: systemRandom,
    timeoutMs: ANSWERED_WITHIN_MS,
  });
  let rounds = 0;
  await inTurns({ of: names, atOnce: AT_ONCE, what: 'indices made', tell }, (name) =>
    world.leader.ok('PUT', `/${name}`, {
      settings: { 'index.number_of_shards': 1, 'index.number_of_replicas': 0 },
    }),
  );

  const pairsBy = async (surface: ControlSurface): Promise<readonly PairStatus[]> => {
    const status = await surface.status({}).catch(() => []);
    return status.flatMap((index) => index.pairs);
  };
  const awaiting = async (
    what: string,
    withinMs: number,
    found: (pairs: readonly PairStatus[]) => readonly string[],
  ): Promise<void> => {
    let missing: readonly string[] = [];
    const look = async (): Promise<true | undefined> => {
      const pairs = await pairsBy(observer);
      missing = pairs.length === count ? found(pairs) : [`${pairs.length} of ${count} pairs are told of`];
      return missing.length === 0 ? true : undefined;
    };
    const seen = (): string => `${missing.length} are missing: ${missing.slice(0, 5).join('; ')}`;
    await until(what, withinMs, look, seen, ASKED_EVERY_MS);
  };

  const shared: SharedIndices = {
    names,
    async write(some = names) {
      rounds += 1;
      const lines = some.flatMap((name) => roundOf(name, rounds));
      for (let at = 0; at < lines.length; at += LINES_AT_ONCE)
        await bulk(world.leader, lines.slice(at, at + LINES_AT_ONCE));
    },
    async follow(accepted) {
      await inTurns({ of: names, atOnce: AT_ONCE, what: 'indices followed', tell }, async (name) => {
        const startedMs = performance.now();
        await world.control.follow({ leader: { cluster: LEADER, index: name }, follower: world.followerOf(name) });
        accepted?.((performance.now() - startedMs) / 1000);
      });
    },
    async start(name, program) {
      const started = await world.startNamed(name, { program });
      supervisors.set(name, started);
      return started;
    },
    processOf(name) {
      const found = supervisors.get(name);
      assert.ok(found !== undefined, name);
      return found;
    },
    pairs: () => pairsBy(world.control),
    awaitOwners: (...owners) =>
      awaiting(`${owners.join(' and ')} own the shards`, TAKEN_OVER_WITHIN_MS, (pairs) => [
        ...pairs.flatMap(({ follower, owner }) =>
          owner !== null && owners.includes(owner.supervisor)
            ? []
            : [`${follower.index} is owned by ${owner?.supervisor ?? 'nobody'}`],
        ),
        ...owners.flatMap((name) =>
          pairs.some(({ owner }) => owner?.supervisor === name) ? [] : [`${name} owns nothing`],
        ),
      ]),
    async slots() {
      const supervisorOf = new Map<string, string>();
      const claims: string[] = [];
      const ending = new AbortController();
      for await (const change of store.watch(ending.signal)) {
        if (change.kind === 'current') break;
        if (change.kind !== 'stands') continue;
        const { key, value } = change.entry;
        const parsed = parseKey(key);
        if (parsed?.kind === 'session') supervisorOf.set(parsed.session, parseSession(value).announced.supervisor);
        else claims.push(parseClaim(value).session ?? '');
      }
      ending.abort();
      const counts = new Map<string, number>();
      for (const session of claims) {
        const name = supervisorOf.get(session) ?? 'nobody';
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      return counts;
    },
    awaitFollowed: (owners, withinMs) =>
      awaiting('the shards are followed', withinMs, (pairs) =>
        pairs.flatMap((pair) =>
          // A lag is known only of what runs.
          followedBy(owners, pair) && pair.lagSeconds !== null
            ? []
            : [`${pair.follower.index} ${pair.state}, owned by ${pair.owner?.supervisor ?? 'nobody'}`],
        ),
      ),
    async awaitApplied(owners, withinMs) {
      const goals = await lastOperations(world.leader, world.indices);
      await awaiting('what was written is applied', withinMs, (pairs) =>
        pairs.flatMap((pair) => {
          const { follower, owner, state, checkpoint } = pair;
          const goal = goals.get(follower.index) ?? Number.POSITIVE_INFINITY;
          if (followedBy(owners, pair) && checkpoint >= goal) return [];
          const why = pair.failure === undefined ? '' : ` (${pair.failure.code})`;
          return [
            `${follower.index} ${state}${why} at ${checkpoint} of ${goal}, owned by ${owner?.supervisor ?? 'nobody'}`,
          ];
        }),
      );
    },
    async awaitIdentical() {
      const goals = await lastOperations(world.leader, world.indices);
      await awaiting('everything is applied, deletes included', 90_000 + 100 * count, (pairs) =>
        pairs.flatMap(({ follower, state, checkpoint, outstandingDeletes, followerDocuments, leaderDocuments }) => {
          const goal = goals.get(follower.index) ?? Number.POSITIVE_INFINITY;
          const counted = followerDocuments !== null && followerDocuments === leaderDocuments;
          if (state === 'following' && checkpoint >= goal && outstandingDeletes === 0 && counted) return [];
          return [`${follower.index} ${state} at ${checkpoint} of ${goal}, ${followerDocuments} of ${leaderDocuments}`];
        }),
      );
      await inTurns({ of: names, atOnce: AT_ONCE, what: 'indices compared', tell }, async (name) => {
        const { equal, ...found } = await world.compare(name);
        assert.ok(equal && found.leftDocuments > 0, `${name}: ${JSON.stringify(found)}`);
      });
    },
  };
  return shared;
}

function followedBy(owners: readonly string[], { owner, state, suspended }: PairStatus): boolean {
  return owner !== null && owners.includes(owner.supervisor) && suspended === undefined && state === 'following';
}

/** Resident memory of a process now, in MB (10^6 bytes). */
export async function residentMb(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round((Number(kilobytes) * 1024) / 1e6);
}

/** Every document that is deleted once is never written again, so one that comes back would stay. */
function roundOf(index: string, round: number): readonly string[] {
  const { added, changed } = ROUND;
  const write = (id: string): string => `${JSON.stringify({ index: { _index: index, _id: id } })}\n{"round":${round}}`;
  const own = Array.from({ length: added }, (_, at) => write(`r${round}-${at}`));
  const before = round === 1 ? [] : Array.from({ length: changed }, (_, at) => write(`r${round - 1}-${at}`));
  const gone = round === 1 ? [] : [JSON.stringify({ delete: { _index: index, _id: `r${round - 1}-${added - 1}` } })];
  return [...own, ...before, ...gone];
}

async function bulk(side: Side, lines: readonly string[]): Promise<void> {
  const { errors } = await side.ok('POST', '/_bulk?filter_path=errors', `${lines.join('\n')}\n`);
  assert.equal(errors, false);
}

/** The highest sequence number of each index of one shard. */
async function lastOperations(side: Side, pattern: string): Promise<ReadonlyMap<string, number>> {
  const path = `/${pattern}/_stats/docs?level=shards&filter_path=indices.*.shards.*.seq_no.max_seq_no`;
  const { indices } = (await side.ok('GET', path)) as {
    indices: Readonly<Record<string, { shards: { 0: readonly { seq_no: { max_seq_no: number } }[] } }>>;
  };
  return new Map(Object.entries(indices).map(([name, { shards }]) => [name, shards[0][0]?.seq_no.max_seq_no ?? -1]));
}
