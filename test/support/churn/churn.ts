/**
 * Writers that create, update, delete and re-create documents of few ids as fast as they can (or at a rate), a fifth of the ids with routings, some under
 * several. Repeatable in what each writer decides, not in how the writers interleave.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, type IndexAddress, readIndex } from '../read-index.ts';
import { seededRandom } from '../seeded-random.ts';
import { type AcknowledgedChange, createExpectedState, type ExpectedState } from './expected-state.ts';

export type ChurnKind = 'create' | 'update' | 'partialUpdate' | 'delete' | 'recreate';

export interface ChurnOptions extends IndexAddress {
  readonly seed: number;
  readonly writers?: number;
  readonly ids?: number;
  /** Stop after this many acknowledged operations; undefined: until `stop`. */
  readonly operations?: number;
  /** Of all writers together; undefined: as fast as the leader answers. */
  readonly operationsPerSecond?: number;
  /** Operations of one request. */
  readonly batchOperations?: number;
  /** Share of the ids that are written with a routing. */
  readonly routedShare?: number;
  /** Each routed id is written under any of these. One value only where the follower's shards are not aligned. */
  readonly routings?: readonly string[];
  /** Shares among documents that are present; the rest are full updates. */
  readonly deleteShare?: number;
  readonly partialShare?: number;
  readonly onBatch?: (report: ChurnReport) => void;
  /** Other nodes of the cluster: a writer whose request fails goes on with the next one. */
  readonly otherUrls?: readonly string[];
  /** A writer gives up after so many requests without an answer in a row. */
  readonly failuresMax?: number;
}

export interface ChurnReport {
  /** Acknowledged. */
  readonly operations: number;
  readonly byKind: Readonly<Record<ChurnKind, number>>;
  readonly routed: number;
  /** By error type, e.g. a `create` that another writer was quicker with. They changed nothing. */
  readonly refused: Readonly<Record<string, number>>;
  /** Operations without an answer: their documents are left out of the expected state. */
  readonly unanswered: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly lastAcknowledgedAtMs: number;
  readonly tookMs: number;
}

export interface Churn {
  readonly report: () => ChurnReport;
  readonly expected: ExpectedState;
  /** Finishes the requests under way. */
  stop(): void;
  readonly done: Promise<ChurnReport>;
}

interface Operation {
  readonly action: string;
  readonly body: string | undefined;
  readonly place: string;
  readonly routed: boolean;
  readonly change: AcknowledgedChange;
}

interface BulkOutcome {
  readonly status: number;
  readonly result?: string;
  readonly _seq_no?: number;
  readonly error?: { readonly type: string };
}

/** In a row, by one writer. */
const FAILURES_MAX = 100;
const FAILURE_PAUSE_MS = 100;
const DEFAULT_ROUTINGS = ['alder', 'birch', 'cedar', 'elm', 'fir'];

/** An index for churn; `gc_deletes` of a second makes the leader forget its deletes at once. */
export async function createChurnIndex(
  address: IndexAddress,
  options: { shards?: number; gcDeletes?: string; settings?: Record<string, unknown> } = {},
): Promise<void> {
  const settings = {
    number_of_shards: options.shards ?? 2,
    number_of_replicas: 0,
    gc_deletes: options.gcDeletes ?? '1s',
    ...options.settings,
  };
  const properties = {
    writer: { type: 'integer' },
    count: { type: 'long' },
    text: { type: 'text' },
    tags: { type: 'keyword' },
    note: { type: 'keyword' },
  };
  await call(
    address,
    'PUT',
    `/${encodeURIComponent(address.index)}`,
    JSON.stringify({ settings, mappings: { properties } }),
  );
}

export async function startChurn(options: ChurnOptions): Promise<Churn> {
  const {
    writers = 4,
    ids = 3_000,
    batchOperations = 20,
    routedShare = 0.2,
    routings = DEFAULT_ROUTINGS,
    deleteShare = 0.4,
    partialShare = 0.1,
    failuresMax = FAILURES_MAX,
  } = options;
  const urls = [options.url, ...(options.otherUrls ?? [])];
  const shardOfRouting = await shardsOfRoutings(options, routings);
  const expected = createExpectedState();
  const byKind: Record<ChurnKind, number> = { create: 0, update: 0, partialUpdate: 0, delete: 0, recreate: 0 };
  const refused: Record<string, number> = {};
  const tally = { operations: 0, sent: 0, underWay: 0, routed: 0, unanswered: 0, lastAcknowledgedAtMs: 0 };
  const startedAtMs = Date.now();
  const started = performance.now();
  let stopped = false;

  const report = (): ChurnReport => ({
    operations: tally.operations,
    byKind: { ...byKind },
    routed: tally.routed,
    refused: { ...refused },
    unanswered: tally.unanswered,
    startedAtMs,
    lastAcknowledgedAtMs: tally.lastAcknowledgedAtMs,
    tookMs: Math.round(performance.now() - started),
  });

  function operation(writer: number, random: () => number): Operation {
    const number = Math.floor(random() * ids);
    const routed = number < ids * routedShare;
    const routing = routed ? routings[Math.floor(random() * routings.length)] : undefined;
    const id = `doc-${number}`;
    const place = routing === undefined ? id : placeOf(shardOfRouting.get(routing), id);
    const meta = { _id: id, ...(routing === undefined ? {} : { routing }) };
    const presence = expected.presence(place);
    const dice = random();
    if (presence === 'present' && dice < deleteShare)
      return { action: JSON.stringify({ delete: meta }), body: undefined, place, routed, change: { kind: 'delete' } };
    if (presence === 'present' && dice < deleteShare + partialShare) {
      const fields = { count: Math.floor(random() * 2 ** 40), note: `patched by ${writer}` };
      const action = JSON.stringify({ update: { ...meta, retry_on_conflict: 5 } });
      return {
        action,
        body: JSON.stringify({ doc: fields, detect_noop: false }),
        place,
        routed,
        change: { kind: 'patch', fields },
      };
    }
    const source = documentText(writer, random);
    const action = JSON.stringify(presence === 'never' && dice < 0.5 ? { create: meta } : { index: meta });
    return { action, body: source, place, routed, change: { kind: 'put', routing, source } };
  }

  function settle(operations: readonly Operation[], outcomes: readonly BulkOutcome[]): void {
    tally.lastAcknowledgedAtMs = Date.now();
    operations.forEach(({ change, place, routed }, at) => {
      const { result, _seq_no: seqNo, status, error } = outcomes[at] ?? { status: 0 };
      const before = expected.presence(place);
      // A delete that found nothing took a sequence number, but changed nothing.
      if (seqNo !== undefined) expected.acknowledge(place, seqNo, change);
      if (seqNo === undefined || result === 'not_found') {
        const reason = error?.type ?? result ?? `status ${status}`;
        refused[reason] = (refused[reason] ?? 0) + 1;
        return;
      }
      tally.operations += 1;
      if (routed) tally.routed += 1;
      byKind[kindOf(change, result, before)] += 1;
    });
  }

  async function write(writer: number): Promise<void> {
    const random = seededRandom(options.seed * 1_000 + writer);
    const path = `/${encodeURIComponent(options.index)}/_bulk?filter_path=errors,items.*.status,items.*.result,items.*._seq_no,items.*.error.type`;
    const wanted = (): number =>
      Math.min(batchOperations, (options.operations ?? Infinity) - tally.operations - tally.underWay);
    let failures = 0;
    let at = writer;
    for (let size = wanted(); !stopped && size > 0; size = wanted()) {
      const operations = Array.from({ length: size }, () => operation(writer, random));
      tally.underWay += size;
      tally.sent += size;
      const body = new TextEncoder().encode(
        operations.map((each) => `${each.action}\n${each.body === undefined ? '' : `${each.body}\n`}`).join(''),
      );
      try {
        const url = urls[at % urls.length] ?? options.url;
        const answer = JSON.parse(await call({ ...options, url }, 'POST', path, body)) as {
          items: readonly Record<string, BulkOutcome>[];
        };
        settle(
          operations,
          answer.items.map((item) => Object.values(item)[0] ?? { status: 0 }),
        );
        failures = 0;
      } catch (error) {
        tally.unanswered += size;
        for (const { place } of operations) expected.doubt(place);
        if ((failures += 1) === failuresMax) throw error;
        at += 1;
        await sleep(FAILURE_PAUSE_MS);
      } finally {
        tally.underWay -= size;
      }
      options.onBatch?.(report());
      const aheadMs =
        options.operationsPerSecond === undefined
          ? 0
          : (tally.sent / options.operationsPerSecond) * 1_000 - (performance.now() - started);
      if (aheadMs > 0) await sleep(aheadMs);
    }
  }

  const done = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer))).then(report);
  return { report, expected, stop: () => void (stopped = true), done };
}

function kindOf(
  change: AcknowledgedChange,
  result: string | undefined,
  before: 'present' | 'deleted' | 'never',
): ChurnKind {
  if (change.kind === 'delete') return 'delete';
  if (change.kind === 'patch') return 'partialUpdate';
  if (result !== 'created') return 'update';
  return before === 'never' ? 'create' : 'recreate';
}

/** Raw text: numbers, escapes and spacing that a copy must not touch. */
function documentText(writer: number, random: () => number): string {
  const count = Math.floor(random() * 2 ** 50);
  const text = `line ${count}\\n\\u00fc"x" ${'lorem ipsum '.repeat(Math.floor(random() * 8))}\u{1f30d}`.replaceAll(
    '"',
    '\\"',
  );
  return `{"writer":${writer},  "count":${count}, "ratio":1.0,"big":9007199254740993,"text":"${text}","tags":["a",  "b${count % 7}"],"deep":{"e":1e2,"n":null}}`;
}

function placeOf(shard: number | undefined, id: string): string {
  return `shard ${shard}/${id}`;
}

async function shardsOfRoutings(address: IndexAddress, routings: readonly string[]): Promise<Map<string, number>> {
  const shards = new Map<string, number>();
  for (const routing of routings) {
    const path = `/${encodeURIComponent(address.index)}/_search_shards?routing=${encodeURIComponent(routing)}&filter_path=shards.shard`;
    const answer = JSON.parse(await call(address, 'GET', path)) as {
      shards: readonly (readonly { shard: number }[])[];
    };
    const shard = answer.shards[0]?.[0]?.shard;
    if (shard === undefined) throw new Error(`no shard for routing ${routing}`);
    shards.set(routing, shard);
  }
  return shards;
}

/** What the leader holds against what it acknowledged; empty when they agree. Nobody may write meanwhile. */
export async function differencesFromExpected(
  address: IndexAddress,
  expected: ExpectedState,
): Promise<readonly string[]> {
  const documents = expected.documents();
  const differences: string[] = [];
  for await (const { shard, id, routing, source } of readIndex(address)) {
    const place = routing === undefined ? id : placeOf(shard, id);
    const wanted = documents.get(place);
    documents.delete(place);
    if (expected.inDoubt.has(place)) continue;
    if (wanted === undefined) differences.push(`${place} should not be there`);
    else if (wanted.routing !== routing) differences.push(`${place} has routing ${routing}, not ${wanted.routing}`);
    else if (stable(JSON.parse(source)) !== stable(wanted.source)) differences.push(`${place} has other content`);
  }
  for (const place of documents.keys()) differences.push(`${place} is not there`);
  return differences.toSorted();
}

/** Members in order of their names. */
function stable(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
