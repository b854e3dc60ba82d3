/**
 * Reads the answer of a `_bulk` request sent with
 * `filter_path=errors,items.*.status,items.*.error`. An answer that cannot be read wholly, or that has another number of
 * items than were sent, says nothing certain about any of them.
 *
 * What became of an operation follows from its action and its status (REST API reference, bulk); the `result` beside them would be nearly
 * half of the answer's bytes.
 */
import { asciiBytes, decodeText, JsonCursor } from './json-cursor.ts';

export { decodeText };

export type BulkResult = 'created' | 'updated' | 'deleted' | 'not_found';

export interface BulkItem {
  readonly status: number;
  /** Undefined exactly when the item failed. */
  readonly result: BulkResult | undefined;
  readonly errorType: string | undefined;
  /** The server's own words; may quote the document. */
  readonly errorReason: string | undefined;
}

const ERRORS = asciiBytes('errors');
const ITEMS = asciiBytes('items');
const STATUS = asciiBytes('status');
const INDEX = asciiBytes('index');
const DELETE = asciiBytes('delete');
const ERROR = asciiBytes('error');
const TYPE = asciiBytes('type');
const REASON = asciiBytes('reason');

/** Throws `WireFormatError` on anything but a complete answer with `expectedItems` items. */
export function scanBulkAnswer(body: Uint8Array, expectedItems: number): readonly BulkItem[] {
  const cursor = new JsonCursor(body);
  let errors: boolean | undefined;
  let items: BulkItem[] | undefined;
  for (let more = cursor.open('{', 'a bulk answer'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (cursor.keyIs(ERRORS)) {
      errors = cursor.readBoolean('errors as true or false');
    } else if (cursor.keyIs(ITEMS)) {
      if (items !== undefined) cursor.fail('items only once');
      items = readItems(cursor);
    } else {
      cursor.skipValue();
    }
  }
  cursor.readEnd();
  if (items === undefined || items.length !== expectedItems) return cursor.fail(`${expectedItems} items`);
  if (errors !== items.some((item) => item.result === undefined))
    return cursor.fail('errors to be true if an item failed, else false');
  return items;
}

/** Most items of an answer are the same bytes as the one before: those are neither parsed again nor allocated. */
function readItems(cursor: JsonCursor): BulkItem[] {
  const items: BulkItem[] = [];
  let last: BulkItem | undefined;
  let lastStart = 0;
  let lastEnd = 0;
  for (let more = cursor.open('[', 'items as an array'); more; more = cursor.more('[')) {
    cursor.skipSpace();
    const start = cursor.at;
    if (last !== undefined && repeats(cursor.body, lastStart, lastEnd, start)) {
      cursor.at = start + lastEnd - lastStart;
    } else {
      last = readItem(cursor);
      lastStart = start;
      lastEnd = cursor.at;
    }
    items.push(last);
  }
  return items;
}

function repeats(body: Uint8Array, start: number, end: number, at: number): boolean {
  for (let i = start; i < end; i++) if (body[i] !== body[at + i - start]) return false;
  return true;
}

/** `{"index": {"status": 201}}`, `{"delete": {"status": 404}}`; with `error` beside the status where it failed. */
function readItem(cursor: JsonCursor): BulkItem {
  const start = cursor.at;
  let item: BulkItem | undefined;
  for (let more = cursor.open('{', 'an item'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (item !== undefined) cursor.fail('one action in an item');
    const results = cursor.keyIs(INDEX) ? INDEXED : cursor.keyIs(DELETE) ? DELETED : undefined;
    item = readOutcome(cursor, results ?? cursor.fail('index or delete'));
  }
  return item ?? cursor.fail('an item with an action', start);
}

type Results = Readonly<Record<number, BulkResult>>;
const INDEXED: Results = { 201: 'created', 200: 'updated' };
const DELETED: Results = { 200: 'deleted', 404: 'not_found' };

function readOutcome(cursor: JsonCursor, results: Results): BulkItem {
  const start = cursor.at;
  let status: number | undefined;
  let error: { type: string | undefined; reason: string | undefined } | undefined;
  for (let more = cursor.open('{', 'an outcome'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (cursor.keyIs(STATUS)) status = cursor.readInteger(STATUS_RANGE);
    else if (cursor.keyIs(ERROR)) error = readError(cursor);
    else cursor.skipValue();
  }
  if (status === undefined) return cursor.fail('an outcome with a status', start);
  if (error !== undefined) return { status, result: undefined, errorType: error.type, errorReason: error.reason };
  const result = results[status] ?? cursor.fail('an error, or a status that says what was done', start);
  return { status, result, errorType: undefined, errorReason: undefined };
}

const STATUS_RANGE = { expected: 'status as an HTTP status', minimum: 100 };

function readError(cursor: JsonCursor): { type: string | undefined; reason: string | undefined } {
  let type: string | undefined;
  let reason: string | undefined;
  for (let more = cursor.open('{', 'error as an object'); more; more = cursor.more('{')) {
    cursor.readKey();
    if (cursor.keyIs(TYPE)) type = readText(cursor);
    else if (cursor.keyIs(REASON) && cursor.peek() === 0x22) reason = readText(cursor);
    else cursor.skipValue();
  }
  return { type, reason };
}

function readText(cursor: JsonCursor): string {
  const start = cursor.at;
  cursor.skipString('a string');
  return decodeText(cursor.body, start, cursor.at);
}
