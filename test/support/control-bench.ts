import type {
  CommandResult,
  ControlSurface,
  WholeQueries,
  ServedSurface,
  IndexStatus,
  PairStatus,
  QuarantineEntry,
  RepairResult,
} from '../../src/domain/commands.ts';
import { listPage, quarantinePage, statusPage } from '../../src/domain/pages.ts';
import type { CommandHandler, CommandTransport } from '../../src/ports/command-transport.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Random } from '../../src/ports/random.ts';

export interface Call {
  readonly name: string;
  readonly given: unknown;
}

/** A surface that records what it is asked and answers everything with success, unless `answer` says otherwise. */
export function recordingSurface(
  answer: (call: Call) => unknown = () => undefined,
): ControlSurface & ServedSurface & { readonly calls: Call[] } {
  const calls: Call[] = [];
  const take = async (name: string, given: unknown): Promise<unknown> => {
    const call = { name, given };
    calls.push(call);
    return answer(call);
  };
  const command = async (name: string, given: { commandId?: string }): Promise<CommandResult> =>
    ((await take(name, given)) as CommandResult | undefined) ?? {
      commandId: given.commandId ?? '',
      accepted: true,
      effective: false,
      pairs: [],
    };
  const queries: WholeQueries = {
    quarantine: async (given) => ((await take('quarantine', given)) as QuarantineEntry[] | undefined) ?? [],
    status: async (given) => ((await take('status', given)) as IndexStatus[] | undefined) ?? [],
    list: async () => ((await take('list', undefined)) as IndexStatus[] | undefined) ?? [],
  };
  return {
    calls,
    follow: (given) => command('follow', given),
    unfollow: (given) => command('unfollow', given),
    pause: (given) => command('pause', given),
    resume: (given) => command('resume', given),
    retryQuarantine: (given) => command('retryQuarantine', given),
    repair: async (given) => (await command('repair', given)) as RepairResult,
    ...queries,
    pages: {
      quarantine: async (query, wanted) => quarantinePage(await queries.quarantine(query), wanted),
      status: async (query, wanted) => statusPage(await queries.status(query), wanted),
      list: async (wanted) => listPage(await queries.list(), wanted),
    },
  };
}

export function countingRandom(): Random {
  let count = 0;
  return { next: () => 0.5, id: () => `id-${(count += 1)}` };
}

/** Time passes only by sleeping. */
export function sleepingClock(): Clock {
  let nowMs = 0;
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: async (ms) => void (nowMs += ms),
    setTimeout: () => undefined,
    clearTimeout: () => undefined,
  };
}

/** Straight from client to service. */
export function directTransport(handler: CommandHandler, maxReplyBytes = 1024 * 1024): CommandTransport {
  return {
    request: async (name, body, { trace, pageBytes }) =>
      (await handler({ name, body, trace, pageBytes, maxReplyBytes })).body,
  };
}

/** Indices `copy-000`, `copy-001` ... with pairs in every state there is. */
export function fakeStatuses({ indices, shards }: { indices: number; shards: number }): IndexStatus[] {
  return Array.from({ length: indices }, (_, number) => {
    const leader = { cluster: 'main', index: `orders.${String(number).padStart(3, '0')}` };
    const follower = { cluster: 'replica', index: `copy.${String(number).padStart(3, '0')}` };
    const pairs = Array.from({ length: shards }, (__, shard): PairStatus => fakePair({ leader, follower, shard }));
    return { leader, follower, state: 'prepared', shards, followerShards: shards, aligned: true, pairs };
  });
}

function fakePair(names: Pick<PairStatus, 'leader' | 'follower' | 'shard'>): PairStatus {
  return {
    ...names,
    state: 'retrying',
    desired: 'running',
    owner: { supervisor: 'only', term: 1 },
    failure: {
      code: 'cluster_unreachable',
      kind: 'transient',
      op: 'leader search',
      reason: 'connect ECONNREFUSED 192.0.2.1:9200',
      hint: 'Check that the cluster is up.',
      cluster: 'main',
    },
    attempt: 3,
    nextTryAtMs: 1_700_000_000_000,
    epoch: 1,
    aligned: true,
    checkpoint: 123_456_789,
    leaderGlobalCheckpoint: 123_456_790,
    leaderMaxSeqNo: 123_456_791,
    lagOperations: 2,
    lagSeconds: 1.25,
    followerDocuments: 1_000_000,
    leaderDocuments: 1_000_001,
    outstandingDeletes: 0,
    quarantined: 0,
    quarantinedWithoutCopy: 0,
    progress: 1,
    operationsWritten: 5_000_000,
    bytesRead: 9_876_543_210,
    operationsPerSecond: 1234.5,
    bytesPerSecond: 1_234_567.8,
    conflicts: 0,
    deleteScans: 17,
    deletesFound: 1_234,
    scanSurprises: 0,
    foreignWrites: 0,
    overwritten: 0,
    retries: 3,
    transitions: 9,
    traceId: '0123456789abcdef0123456789abcdef',
  };
}
