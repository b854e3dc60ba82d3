/** Reads one hit after the other out of the bytes of a `_search` answer. */
import type { HitPool, ReusedHit } from './hit-pool.ts';
import { asciiBytes, commentEnd, type JsonCursor, WireFormatError } from './json-cursor.ts';

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
}

const ID = asciiBytes('_id');
const SEQ_NO = asciiBytes('_seq_no');
const PRIMARY_TERM = asciiBytes('_primary_term');
const VERSION = asciiBytes('_version');
const ROUTING = asciiBytes('_routing');
const SOURCE = asciiBytes('_source');
const SORT = asciiBytes('sort');

/** What stands between the values of a hit, as offsets: the next hit nearly always has the same bytes there. */
interface Shape {
  /** From the opening brace to the id. */
  readonly start: number;
  readonly idStart: number;
  readonly idEnd: number;
  readonly seqNoStart: number;
  readonly seqNoEnd: number;
  /** Where `_source` is read from, a byte order mark included. */
  readonly sourceAt: number;
  /** After it, comments included. */
  readonly sourceClosed: number;
  /** The sort array; where the search has no order, both are `end`. */
  readonly sortStart: number;
  readonly sortEnd: number;
  /** After the closing brace. */
  readonly end: number;
  readonly primaryTerm: number | undefined;
}

export class HitReader {
  readonly #cursor: JsonCursor;
  readonly #alone: boolean;
  readonly #pool: HitPool | undefined;
  #shape: Shape | undefined;

  /** `alone`, `pool`: as in `ScanOptions`. */
  constructor(cursor: JsonCursor, { alone, pool }: { alone: boolean; pool: HitPool | undefined }) {
    this.#cursor = cursor;
    this.#alone = alone;
    this.#pool = pool;
  }

  read(): WireHit {
    const cursor = this.#cursor;
    const hit = this.#pool?.take() ?? { ...BLANK };
    cursor.skipSpace();
    const start = cursor.at;
    if (this.#shape !== undefined) {
      if (this.#readLikeLast(hit, this.#shape)) return hit;
      cursor.at = start;
    }
    this.#readAny(hit, start);
    return hit;
  }

  /**
   * Bytes that are those of the last hit, read from the same state, mean the same as they did there: only id, number, document and sort
   * values are read. False: something else stands between them.
   */
  #readLikeLast(hit: ReusedHit, last: Shape): boolean {
    const cursor = this.#cursor;
    if (!cursor.repeats(last.start, last.idStart)) return false;
    hit.idStart = cursor.at;
    cursor.skipString('_id as a string');
    hit.idEnd = cursor.at;
    if (!cursor.repeats(last.idEnd, last.seqNoStart)) return false;
    hit.seqNo = cursor.readInteger(SEQ_NO_RANGE);
    if (!cursor.repeats(last.seqNoEnd, last.sourceAt)) return false;
    this.#readSource(hit);
    if (!cursor.repeats(last.sourceClosed, last.sortStart)) return false;
    if (last.sortStart < last.end) readSort(cursor);
    if (!cursor.repeats(last.sortEnd, last.end)) return false;
    hit.primaryTerm = last.primaryTerm;
    hit.version = undefined;
    hit.routingStart = -1;
    hit.routingEnd = -1;
    return true;
  }

  #readAny(hit: ReusedHit, start: number): void {
    const cursor = this.#cursor;
    Object.assign(hit, BLANK);
    let seqNo: number | undefined;
    let [seqNoStart, seqNoEnd, sourceAt, sourceClosed, sortStart, sortEnd] = [-1, -1, -1, -1, -1, -1];
    for (let more = cursor.open('{', 'a hit'); more; more = cursor.more('{')) {
      cursor.readKey();
      if (cursor.keyIs(ID)) {
        if (hit.idStart !== -1) cursor.fail('_id only once in a hit');
        hit.idStart = cursor.at;
        cursor.skipString('_id as a string');
        hit.idEnd = cursor.at;
      } else if (cursor.keyIs(SEQ_NO)) {
        if (seqNo !== undefined) cursor.fail('_seq_no only once in a hit');
        seqNoStart = cursor.at;
        seqNo = cursor.readInteger(SEQ_NO_RANGE);
        seqNoEnd = cursor.at;
      } else if (cursor.keyIs(PRIMARY_TERM)) {
        hit.primaryTerm = cursor.readInteger(PRIMARY_TERM_RANGE);
      } else if (cursor.keyIs(SOURCE)) {
        if (hit.sourceStart !== -1) cursor.fail('_source only once in a hit');
        sourceAt = cursor.at;
        this.#readSource(hit);
        sourceClosed = cursor.at;
      } else if (cursor.keyIs(SORT)) {
        sortStart = cursor.at;
        readSort(cursor);
        sortEnd = cursor.at;
      } else if (cursor.keyIs(ROUTING)) {
        if (hit.routingStart !== -1) cursor.fail('_routing only once in a hit');
        hit.routingStart = cursor.at;
        cursor.skipString('_routing as a string');
        hit.routingEnd = cursor.at;
      } else if (cursor.keyIs(VERSION)) {
        hit.version = cursor.readInteger(VERSION_RANGE);
      } else {
        cursor.skipValue();
      }
    }
    if (hit.idStart === -1) cursor.fail('a hit with _id');
    if (seqNo === undefined) return cursor.fail('a hit with _seq_no');
    hit.seqNo = seqNo;
    const { idStart, idEnd, primaryTerm } = hit;
    const end = cursor.at;
    if (sortStart === -1) [sortStart, sortEnd] = [end, end];
    const ordered = idStart < seqNoStart && seqNoEnd < sourceAt && sourceClosed < sortStart;
    const plain = hit.routingStart === -1 && hit.version === undefined;
    const offsets = { start, idStart, idEnd, seqNoStart, seqNoEnd, sourceAt, sourceClosed, sortStart, sortEnd };
    this.#shape = ordered && plain ? { ...offsets, end, primaryTerm } : undefined;
  }

  #readSource(hit: ReusedHit): void {
    const cursor = this.#cursor;
    hit.sourceStart = openSource(cursor);
    cursor.skipContainer();
    hit.sourceEnd = cursor.at;
    hit.sourceMultiline = cursor.multiline;
    closeSource(cursor, this.#alone);
  }
}

function readSort(cursor: JsonCursor): void {
  if (cursor.peek() !== 0x5b) cursor.fail('sort as an array');
  cursor.skipContainer();
}

const BLANK: WireHit = {
  seqNo: -2,
  primaryTerm: undefined,
  version: undefined,
  idStart: -1,
  idEnd: -1,
  routingStart: -1,
  routingEnd: -1,
  sourceStart: -1,
  sourceEnd: -1,
  sourceMultiline: false,
};

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
