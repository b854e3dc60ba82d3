/**
 * Finds the hits in the bytes of a `_search` answer.
 *
 * The search must ask for `seq_no_primary_term` and must not use `filter_path` or `pretty`: with either, Elasticsearch
 * parses each `_source` and writes it anew (`1e400` comes back as `"Infinity"`). `"_source": {"exclude_vectors": false}`
 * leaves the bytes alone; includes and excludes do not.
 */
import type { HitPool } from './hit-pool.ts';
import { asciiBytes, commentEnd, decodeText, JsonCursor, WireFormatError } from './json-cursor.ts';

export { WireFormatError };

/** One hit as byte offsets into `SearchPage.body`; nothing of the document is decoded. */
export interface WireHit {
  /** -2 where the index has sequence numbers disabled. */
  readonly seqNo: number;
  readonly primaryTerm: number | undefined;
  readonly version: number | undefined;
  /** JSON text of the id, quotes included. */
  readonly idStart: number;
  readonly idEnd: number;
  /** JSON text of the routing, quotes included; -1 when absent. */
  readonly routingStart: number;
  readonly routingEnd: number;
  /** The `_source` object; -1 when absent. */
  readonly sourceStart: number;
  readonly sourceEnd: number;
  /** Whether the `_source` has raw line breaks, tabs or comments, so that it cannot be copied as it is. */
  readonly sourceMultiline: boolean;
  /** JSON text of the sort array; -1 when absent. */
  readonly sortStart: number;
  readonly sortEnd: number;
}

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

const ID = asciiBytes('_id');
const SEQ_NO = asciiBytes('_seq_no');
const PRIMARY_TERM = asciiBytes('_primary_term');
const VERSION = asciiBytes('_version');
const ROUTING = asciiBytes('_routing');
const SOURCE = asciiBytes('_source');
const SORT = asciiBytes('sort');
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
      for (let next = cursor.open('[', 'hits.hits as an array'); next; next = cursor.more('['))
        hits.push(readHit(cursor, alone, pool));
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

function readHit(cursor: JsonCursor, alone: boolean, pool: HitPool | undefined): WireHit {
  let seqNo: number | undefined;
  let primaryTerm: number | undefined;
  let version: number | undefined;
  let idStart = -1;
  let idEnd = -1;
  let routingStart = -1;
  let routingEnd = -1;
  let sourceStart = -1;
  let sourceEnd = -1;
  let sourceMultiline = false;
  let sortStart = -1;
  let sortEnd = -1;
  for (let more = cursor.open('{', 'a hit'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (cursor.keyIs(ID)) {
      if (idStart !== -1) cursor.fail('_id only once in a hit');
      idStart = cursor.at;
      cursor.skipString('_id as a string');
      idEnd = cursor.at;
    } else if (cursor.keyIs(SEQ_NO)) {
      if (seqNo !== undefined) cursor.fail('_seq_no only once in a hit');
      seqNo = cursor.readInteger(SEQ_NO_RANGE);
    } else if (cursor.keyIs(PRIMARY_TERM)) {
      primaryTerm = cursor.readInteger(PRIMARY_TERM_RANGE);
    } else if (cursor.keyIs(SOURCE)) {
      if (sourceStart !== -1) cursor.fail('_source only once in a hit');
      sourceStart = openSource(cursor);
      cursor.skipContainer();
      sourceEnd = cursor.at;
      sourceMultiline = cursor.multiline;
      closeSource(cursor, alone);
    } else if (cursor.keyIs(SORT)) {
      if (cursor.peek() !== 0x5b) cursor.fail('sort as an array');
      sortStart = cursor.at;
      cursor.skipContainer();
      sortEnd = cursor.at;
    } else if (cursor.keyIs(ROUTING)) {
      if (routingStart !== -1) cursor.fail('_routing only once in a hit');
      routingStart = cursor.at;
      cursor.skipString('_routing as a string');
      routingEnd = cursor.at;
    } else if (cursor.keyIs(VERSION)) {
      version = cursor.readInteger(VERSION_RANGE);
    } else {
      cursor.skipValue();
    }
  }
  if (idStart === -1) cursor.fail('a hit with _id');
  if (seqNo === undefined) return cursor.fail('a hit with _seq_no');
  const hit = pool?.take();
  if (hit === undefined)
    return {
      seqNo,
      primaryTerm,
      version,
      idStart,
      idEnd,
      routingStart,
      routingEnd,
      sourceStart,
      sourceEnd,
      sourceMultiline,
      sortStart,
      sortEnd,
    };
  hit.seqNo = seqNo;
  hit.primaryTerm = primaryTerm;
  hit.version = version;
  hit.idStart = idStart;
  hit.idEnd = idEnd;
  hit.routingStart = routingStart;
  hit.routingEnd = routingEnd;
  hit.sourceStart = sourceStart;
  hit.sourceEnd = sourceEnd;
  hit.sourceMultiline = sourceMultiline;
  hit.sortStart = sortStart;
  hit.sortEnd = sortEnd;
  return hit;
}

const SEQ_NO_RANGE = { expected: '_seq_no as an integer from -2 to 2^53-1', minimum: -2 };
const PRIMARY_TERM_RANGE = { expected: '_primary_term as an integer from 0 to 2^53-1', minimum: 0 };
const VERSION_RANGE = { expected: '_version as an integer from 0 to 2^53-1', minimum: 0 };

/** Elasticsearch keeps the byte order mark of a document that came with one. */
function openSource(cursor: JsonCursor): number {
  const { body, at } = cursor;
  if (body[at] === 0xef && body[at + 1] === 0xbb && body[at + 2] === 0xbf) cursor.at += 3;
  if (cursor.peek() !== 0x7b) cursor.fail('_source as an object');
  return cursor.at;
}

const AFTER_SOURCE = asciiBytes(',"sort":[');

/**
 * Passes what a document has after its closing brace. A line comment there may have no end of its own: it would take in
 * the rest of the hit, up to a line break that belongs to another document. Nothing tells the two apart, so it is refused,
 * unless the hit is alone: then what the server adds is the last of its kind in the answer, whatever the comment says.
 */
function closeSource(cursor: JsonCursor, alone: boolean): void {
  while (cursor.peek() === 0x2f) {
    if (cursor.body[cursor.at + 1] === 0x2f) {
      const end = alone ? lastIndexOf(cursor.body, AFTER_SOURCE) : -1;
      if (end > cursor.at) {
        cursor.at = end;
        return;
      }
      throw new WireFormatError({
        offset: cursor.at,
        expected: 'no line comment after _source',
        problem: 'source_ends_in_line_comment',
      });
    }
    cursor.at = commentEnd(cursor.body, cursor.at);
  }
}

function lastIndexOf(body: Uint8Array, wanted: Uint8Array): number {
  for (let at = body.length - wanted.length; at >= 0; at -= 1)
    if (wanted.every((byte, i) => body[at + i] === byte)) return at;
  return -1;
}
