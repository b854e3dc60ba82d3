/**
 * Two real clusters, NATS, and a supervisor in a process of its own that is driven over NATS as a user would. Names of indices, subjects and
 * stream are the world's own; what it made is removed when it is disposed of.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import type { Guard } from '../../stack/guard.ts';
import { commandClient } from '../../src/control/client.ts';
import type { ControlSurface, IndexStatus, PairStatus } from '../../src/domain/commands.ts';
import type { JournalEvent } from '../../src/domain/journal.ts';
import { type FollowerIndexRef, pairKey } from '../../src/domain/names.ts';
import type { FollowParameters } from '../../src/domain/parameters.ts';
import type { PositionRecord } from '../../src/domain/position.ts';
import { natsCommandTransport } from '../../src/infra/nats/command-client.ts';
import { answersStream } from '../../src/infra/nats/answer-store.ts';
import { leasesStream } from '../../src/infra/nats/lease-store.ts';
import { openJournalReader } from '../../src/infra/nats/event-log.ts';
import { systemClock } from '../../src/infra/system/clock.ts';
import { systemRandom } from '../../src/infra/system/random.ts';
import { compareIndices, type IndexComparison } from './compare-indices.ts';
import { endOfLog, startSupervisorProcess, type SupervisorProcess } from './supervisor-process.ts';
import { until } from './until.ts';

export interface SideOptions {
  readonly url: string;
  /** Where the supervisor reaches it, if not there; several nodes as a list. */
  readonly seenAt?: string | readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** Slows reading down, not compressed, so that a copy takes as long on every machine. */
  readonly readRateLimitBytes?: number;
}

export interface WorldOptions {
  /** Addresses; those of the environment unless told. */
  readonly leader?: SideOptions;
  readonly follower?: SideOptions;
  readonly natsUrl?: string;
  /** Where the supervisor reaches it, if not there. */
  readonly natsSeenAt?: string;
  /** More clusters of the configuration, by name. */
  readonly clusters?: Readonly<Record<string, SideOptions>>;
  readonly requestTimeoutMs?: number;
  /** How long an answer to a command is waited for, beyond what it says itself. */
  readonly commandTimeoutMs?: number;
  /** Parameters of every follower. */
  readonly defaults?: Partial<FollowParameters>;
  /** Ends the supervisors and removes what they wrote, however this process ends. */
  readonly guard?: Guard;
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** One cluster as an outsider reaches it. */
export interface Side {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The same; throws unless it succeeds. */
  ok(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>;
}

export const LEADER = 'left';
export const FOLLOWER = 'right';

export interface NamedOptions {
  readonly natsSeenAt?: string | undefined;
  /** The entry point of another build. */
  readonly program?: string | undefined;
}

export interface World extends AsyncDisposable {
  readonly leader: Side;
  readonly follower: Side;
  readonly nats: NatsConnection;
  readonly prefix: string;
  /** The JetStream stream of the journal. */
  readonly stream: string;
  readonly control: ControlSurface;
  readonly configFile: string;
  readonly logFile: string;
  /** A fresh name for an index, deleted on both sides at the end. */
  name(suffix?: string): string;
  /** Matches all of them. */
  readonly indices: string;
  /** Starts a supervisor, or another one after the first has ended; resolves when it has taken everything up. */
  start(): Promise<SupervisorProcess>;
  /** One more supervisor of that name beside the others, or again after it ended; resolves when it runs. */
  startNamed(name: string, options?: NamedOptions): Promise<SupervisorProcess>;
  /** The follower of that index, under the same name. */
  followerOf(index: string): FollowerIndexRef;
  follow(index: string, parameters?: Partial<FollowParameters>): Promise<void>;
  /** Undefined while no supervisor answers. */
  status(index: string): Promise<IndexStatus | undefined>;
  /** Polls the pairs until the condition holds for every one of them. */
  awaitPairs(
    index: string,
    what: string,
    withinMs: number,
    condition: (pair: PairStatus) => boolean,
  ): Promise<readonly PairStatus[]>;
  /** Every operation of the leader is applied and the counts agree. Nobody may write meanwhile. */
  awaitSettled(index: string, withinMs?: number): Promise<readonly PairStatus[]>;
  /** Document by document, past the product. */
  compare(index: string): Promise<IndexComparison>;
  /** What the supervisors said last, without what they say for debugging only. */
  logTail(): Promise<string>;
  /** The saved position of one shard. */
  position(index: string, shard: number): Promise<PositionRecord | undefined>;
  /** Everything in the journal, in order. */
  journal(): Promise<readonly JournalEvent[]>;
  readonly supervisor: SupervisorProcess | undefined;
}

/** Names of 255 bytes, encoded, still fit into a request line. */
const REMOVED_AT_ONCE = 5;
/** Clauses of one query. */
const FORGOTTEN_AT_ONCE = 500;
/** Of the latest starts. */
const LOGS_TOLD_MAX = 4;

let worlds = 0;

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  worlds += 1;
  const tag = `${process.pid}-${worlds}`;
  const [prefix, stream] = [`slipstream-test-${tag}`, `SLIPSTREAM_TEST_${tag.replace('-', '_')}`];
  const leaderSide = options.leader ?? { url: addressOf('SLIPSTREAM_LEADER_URL') };
  const followerSide = options.follower ?? { url: addressOf('SLIPSTREAM_FOLLOWER_URL') };
  const natsUrl = options.natsUrl ?? addressOf('SLIPSTREAM_NATS_URL');
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-world-'));
  options.guard?.own(folder);
  const [configFile, logFile] = [join(folder, 'slipstream.yml'), join(folder, 'supervisor.log')];
  const cluster = ({ url, seenAt = url, username, password, readRateLimitBytes }: SideOptions): object => ({
    url: seenAt,
    requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
    ...(username === undefined ? {} : { auth: { username, password } }),
    ...(readRateLimitBytes === undefined ? {} : { readRateLimit: readRateLimitBytes, compression: false }),
  });
  const sides = { [LEADER]: leaderSide, [FOLLOWER]: followerSide, ...options.clusters };
  const config = {
    clusters: Object.fromEntries(Object.entries(sides).map(([name, side]) => [name, cluster(side)])),
    nats: { servers: options.natsSeenAt ?? natsUrl, subjectPrefix: prefix, stream },
    // Deletes come late by default, to spare the clusters; tests need not wait for that.
    defaults: { max_retry_delay_ms: 1000, scan_share: 0.25, ...options.defaults },
    telemetry: { traces: { exporter: 'none' }, logLevel: 'debug' },
  };
  // JSON is YAML.
  await writeFile(configFile, JSON.stringify(config, undefined, 2));
  const nats = await connect({ servers: natsUrl, maxReconnectAttempts: -1, reconnectTimeWait: 250 });
  const control = commandClient({
    transport: natsCommandTransport(nats, { prefix }),
    clock: systemClock,
    random: systemRandom,
    by: 'test',
    timeoutMs: options.commandTimeoutMs ?? 30_000,
    supervisorWaitMs: options.commandTimeoutMs ?? 30_000,
  });
  const [leader, follower] = [sideOf(leaderSide), sideOf(followerSide)];
  const names: string[] = [];
  let supervisor: SupervisorProcess | undefined;
  const named: SupervisorProcess[] = [];
  const logs = [logFile];
  let seen: readonly PairStatus[] = [];

  const world: World = {
    leader,
    follower,
    nats,
    prefix,
    stream,
    control,
    configFile,
    logFile,
    indices: `st-${tag}-*`,
    get supervisor() {
      return supervisor;
    },
    name(suffix = '') {
      const name = `st-${tag}-${names.length + 1}${suffix}`;
      names.push(name);
      return name;
    },
    async start() {
      if (supervisor?.running === true) throw new Error('a supervisor is running already');
      const started = startSupervisorProcess(configFile, logFile, { guard: options.guard });
      supervisor = started;
      const answers = async (): Promise<true | undefined> => {
        if (!started.running) throw new Error(`the supervisor ended at its start:\n${await endOfLog(logFile)}`);
        return (await isUp(nats, prefix)) ? true : undefined;
      };
      await until('the supervisor answers', 60_000, answers);
      return started;
    },
    async startNamed(name, { natsSeenAt, program } = {}) {
      const file = join(folder, `${name}.yml`);
      const where = natsSeenAt === undefined ? config.nats : { ...config.nats, servers: natsSeenAt };
      await writeFile(file, JSON.stringify({ ...config, nats: where, supervisor: { name } }, undefined, 2));
      // One for each start: what an earlier one printed is not this one's answer.
      const log = join(folder, `${name}-${named.length}.log`);
      logs.push(log);
      const started = startSupervisorProcess(file, log, { guard: options.guard, program });
      named.push(started);
      await until(`${name} answers`, 60_000, async () => {
        if (!started.running) throw new Error(`${name} ended at its start:\n${await endOfLog(log)}`);
        return (await readFile(log)).includes('the supervisor runs') ? true : undefined;
      });
      return started;
    },
    followerOf: (index) => ({ cluster: FOLLOWER, index }),
    async follow(index, parameters = {}) {
      await control.follow({
        leader: { cluster: LEADER, index },
        follower: world.followerOf(index),
        parameters,
      });
    },
    async status(index) {
      const [found] = await control.status({ follower: world.followerOf(index) }).catch(() => []);
      return found;
    },
    async awaitPairs(index, what, withinMs, condition) {
      const look = async (): Promise<readonly PairStatus[] | undefined> => {
        seen = (await world.status(index))?.pairs ?? [];
        return seen.length > 0 && seen.every(condition) ? seen : undefined;
      };
      try {
        return await until(what, withinMs, look);
      } catch (thrown) {
        throw new Error(`${String(thrown)}\n${JSON.stringify(seen, undefined, 1)}\n${await world.logTail()}`);
      }
    },
    async awaitSettled(index, withinMs = 60_000) {
      const goals = await maxSeqNos(leader, index);
      return world.awaitPairs(
        index,
        `${index} is settled`,
        withinMs,
        (pair) =>
          pair.state === 'following' &&
          pair.checkpoint >= (goals.get(pair.shard) ?? Number.POSITIVE_INFINITY) &&
          pair.outstandingDeletes === 0 &&
          pair.followerDocuments !== null &&
          pair.followerDocuments === pair.leaderDocuments,
      );
    },
    compare: (index) =>
      compareIndices(
        { url: leader.url, index, headers: leader.headers },
        { url: follower.url, index, headers: follower.headers },
      ),
    async logTail() {
      const ends = logs.slice(-LOGS_TOLD_MAX).map(async (log) => {
        const lines = (await endOfLog(log, 200)).split('\n').filter((line) => !line.includes('"level":"debug"'));
        return `${basename(log)}:\n${lines.slice(-25).join('\n')}`;
      });
      return (await Promise.all(ends)).join('\n');
    },
    async position(index, shard) {
      const pair = pairKey({ follower: world.followerOf(index), shard });
      const query = { query: { term: { pair } } };
      const { status: refreshed } = await follower.call('POST', '/.replication_checkpoint/_refresh');
      if (refreshed === 404) return undefined;
      const { body } = await follower.call('POST', '/.replication_checkpoint/_search', query);
      const { hits } = body['hits'] as { hits: readonly { _source: { record: PositionRecord } }[] };
      return hits[0]?._source.record;
    },
    async journal() {
      const events: JournalEvent[] = [];
      const reader = await openJournalReader(nats, { stream, prefix: `${prefix}.journal` });
      const signal = AbortSignal.timeout(10_000);
      for await (const { event } of reader.read('>', { fromSeq: 1, follow: false }, signal)) events.push(event);
      return events;
    },
    async [Symbol.asyncDispose]() {
      for (const one of [...named, supervisor]) if (one?.running === true) await one.kill();
      await removeIndices({ leader, follower }, names);
      await jetstreamManager(nats)
        .then(async (jsm) =>
          Promise.allSettled(
            [stream, answersStream(stream), leasesStream(stream)].map((name) => jsm.streams.delete(name)),
          ),
        )
        .catch(() => undefined);
      await nats.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return world;
}

async function removeIndices(
  { leader, follower }: { readonly leader: Side; readonly follower: Side },
  names: readonly string[],
): Promise<void> {
  const removeFrom = async (side: Side): Promise<void> => {
    for (const some of batches(names, REMOVED_AT_ONCE)) {
      const path = `/${some.map(encodeURIComponent).join(',')}?ignore_unavailable=true`;
      await side.call('DELETE', path).catch(() => undefined);
    }
  };
  await Promise.all([removeFrom(leader), removeFrom(follower)]);
  for (const some of batches(names, FORGOTTEN_AT_ONCE)) {
    const pairs = some.map((index) => ({ prefix: { pair: `${FOLLOWER}/${index}/` } }));
    const query = { query: { bool: { should: pairs } } };
    for (const written of ['.replication_checkpoint', '.slipstream_quarantine'])
      await follower
        .call('POST', `/${written}/_delete_by_query?conflicts=proceed&refresh=true`, query)
        .catch(() => undefined);
  }
}

function* batches<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}

export function addressOf(variable: string): string {
  const url = process.env[variable];
  if (url === undefined || url === '') throw new Error(`${variable} must hold the address of a running server`);
  return url.replace(/\/$/, '');
}

export function sideOf({ url, username, password }: SideOptions): Side {
  const headers: Record<string, string> =
    username === undefined
      ? {}
      : { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` };
  const call = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const type = raw ? 'application/x-ndjson' : 'application/json';
    const init =
      body === undefined ? {} : { body: raw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body) };
    const response = await fetch(`${url}${path}`, { method, headers: { ...headers, 'content-type': type }, ...init });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
  };
  return {
    url,
    headers,
    call,
    async ok(method, path, body) {
      const answer = await call(method, path, body);
      if (answer.status >= 300)
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body).slice(0, 500)}`);
      return answer.body;
    },
  };
}

interface ShardCopy {
  readonly routing: { readonly primary: boolean };
  readonly seq_no: { readonly max_seq_no: number };
}

/** By shard, of the primaries. */
export async function maxSeqNos(side: Side, index: string): Promise<ReadonlyMap<number, number>> {
  const path = `/${encodeURIComponent(index)}/_stats/docs?level=shards`;
  const { indices } = (await side.ok('GET', path)) as {
    indices: Readonly<Record<string, { shards: Readonly<Record<string, readonly ShardCopy[]>> }>>;
  };
  const shards = Object.entries(indices[index]?.shards ?? {});
  return new Map(
    shards.map(([shard, copies]) => [
      Number(shard),
      copies.find(({ routing }) => routing.primary)?.seq_no.max_seq_no ?? -1,
    ]),
  );
}

/** A supervisor answers, and every pair is somebody's. */
async function isUp(nats: NatsConnection, prefix: string): Promise<boolean> {
  try {
    const answer = await nats.request(`${prefix}.cmd.status`, '', { timeout: 2000 });
    const { result = [] } = answer.json<{ result?: readonly IndexStatus[] }>();
    return result.every(({ pairs }) => pairs.every(({ owner }) => owner !== null));
  } catch {
    return false;
  }
}
