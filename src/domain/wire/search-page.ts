/**
 * Finds the hits in the bytes of a `_search` answer.
 *
 * The search must ask for `seq_no_primary_term` and must not use `filter_path` or `pretty`: with either, Elasticsearch
 * parses each `_source` and writes it anew (`1e400` comes back as `"Infinity"`). `"_source": {"exclude_vectors": false}`
 * leaves the bytes alone; includes and excludes do not.
 */
import type { HitPool } from './hit-pool.ts';
import { HitReader, type WireHit } from './hit-reader.ts';
import { asciiBytes, decodeText, JsonCursor, WireFormatError } from './json-cursor.ts';

export { WireFormatError };
export type { WireHit };

export interface ShardCounts {
  readonly total: number;
  readonly successful: number;
  readonly skipped: number;
  readonly failed: number;
}

export interface SearchPage {
  readonly body: Uint8Array;
  readonly hits: readonly WireHit[];
  readonly total: number | undefined;
  readonly totalRelation: 'eq' | 'gte' | undefined;
  readonly timedOut: boolean;
  readonly terminatedEarly: boolean;
  readonly shards: ShardCounts;
  readonly pitId: string | undefined;
  /** Every other top-level value (`took`, `aggregations`, ...) as a byte range. */
  readonly other: ReadonlyMap<string, readonly [number, number]>;
}

const HITS = asciiBytes('hits');
const TOTAL = asciiBytes('total');
const VALUE = asciiBytes('value');
const SUCCESSFUL = asciiBytes('successful');
const SKIPPED = asciiBytes('skipped');
const FAILED = asciiBytes('failed');

export interface ScanOptions {
  /** At most one hit was asked for, sorted, so that a comment after its `_source` can be told from the rest of the hit. */
  readonly alone?: boolean;
  /** Where the hits come from; their owner gives them back. */
  readonly pool?: HitPool | undefined;
}

/**
 * Scans a whole answer. Throws `WireFormatError` on anything but a complete search answer with `hits`, `_shards` and
 * `timed_out` (so an error answer is never an empty page), and on numbers that a double cannot hold.
 */
export function scanSearchPage(body: Uint8Array, { alone = false, pool }: ScanOptions = {}): SearchPage {
  const cursor = new JsonCursor(body);
  const other = new Map<string, readonly [number, number]>();
  let hits: HitList | undefined;
  let shards: ShardCounts | undefined;
  let timedOut: boolean | undefined;
  let terminatedEarly = false;
  let pitId: string | undefined;
  for (let more = cursor.open('{', 'a search answer'); more; more = cursor.more('{')) {
    cursor.readKey();
    const start = cursor.at;
    const key = cursor.keyText();
    if (key === 'hits') {
      if (hits !== undefined) cursor.fail('hits only once');
      hits = readHitList(cursor, alone, pool);
    } else if (key === '_shards') {
      shards = readShards(cursor);
    } else if (key === 'timed_out') {
      timedOut = cursor.readBoolean('timed_out as true or false');
    } else if (key === 'terminated_early') {
      terminatedEarly = cursor.readBoolean('terminated_early as true or false');
    } else if (key === 'pit_id') {
      cursor.skipString('pit_id as a string');
      pitId = decodeText(body, start, cursor.at);
    } else {
      cursor.skipValue();
      other.set(key, [start, cursor.at]);
    }
  }
  cursor.readEnd();
  if (hits === undefined) return cursor.fail('an answer with hits');
  if (shards === undefined) return cursor.fail('an answer with _shards');
  if (timedOut === undefined) return cursor.fail('an answer with timed_out');
  return { body, ...hits, timedOut, terminatedEarly, shards, pitId, other };
}

type HitList = Pick<SearchPage, 'hits' | 'total' | 'totalRelation'>;

function readHitList(cursor: JsonCursor, alone: boolean, pool: HitPool | undefined): HitList {
  let hits: WireHit[] | undefined;
  let total: number | undefined;
  let totalRelation: 'eq' | 'gte' | undefined;
  for (let more = cursor.open('{', 'hits as an object'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (cursor.keyIs(HITS)) {
      if (hits !== undefined) cursor.fail('hits.hits only once');
      hits = [];
      const reader = new HitReader(cursor, { alone, pool });
      for (let next = cursor.open('[', 'hits.hits as an array'); next; next = cursor.more('['))
        hits.push(reader.read());
    } else if (cursor.keyIs(TOTAL)) {
      ({ total, totalRelation } = readTotal(cursor));
    } else {
      cursor.skipValue();
    }
  }
  return { hits: hits ?? cursor.fail('hits.hits'), total, totalRelation };
}

function readTotal(cursor: JsonCursor): { total: number; totalRelation: 'eq' | 'gte' } {
  const start = cursor.at;
  let total: number | undefined;
  let relation: string | undefined;
  for (let more = cursor.open('{', 'hits.total as an object'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (cursor.keyIs(VALUE)) {
      total = cursor.readInteger({ expected: 'hits.total.value as a count', minimum: 0 });
    } else {
      const valueStart = cursor.at;
      cursor.skipString('hits.total.relation as a string');
      relation = decodeText(cursor.body, valueStart, cursor.at);
    }
  }
  if (total === undefined || (relation !== 'eq' && relation !== 'gte')) {
    return cursor.fail('hits.total with a value and the relation eq or gte', start);
  }
  return { total, totalRelation: relation };
}

function readShards(cursor: JsonCursor): ShardCounts {
  const start = cursor.at;
  let total = -1;
  let successful = -1;
  let skipped = -1;
  let failed = -1;
  const count = { expected: 'a count of shards', minimum: 0 };
  for (let more = cursor.open('{', '_shards as an object'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (cursor.keyIs(TOTAL)) total = cursor.readInteger(count);
    else if (cursor.keyIs(SUCCESSFUL)) successful = cursor.readInteger(count);
    else if (cursor.keyIs(SKIPPED)) skipped = cursor.readInteger(count);
    else if (cursor.keyIs(FAILED)) failed = cursor.readInteger(count);
    else cursor.skipValue();
  }
  if (Math.min(total, successful, skipped, failed) < 0) cursor.fail('all four counts of _shards', start);
  return { total, successful, skipped, failed };
}
