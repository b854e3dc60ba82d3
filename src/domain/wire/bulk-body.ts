/** Writes the body of a `_bulk` request by copying ids, routings and documents as bytes out of search answers. */
import { assert } from '../assert.ts';
import { asciiBytes, commentEnd, isLineBreak, stringEnd } from './json-cursor.ts';
import type { SearchPage, WireHit } from './search-page.ts';

/** `version` is the one the document is to carry on the follower (`versionOf`). */
export interface BulkIndexLine {
  readonly hit: WireHit;
  readonly version: number;
}

const INDEX = asciiBytes('{"index":{"_id":');
const DELETE = asciiBytes('{"delete":{"_id":');
const ROUTING = asciiBytes(',"routing":');
const VERSION = asciiBytes(',"version":');
const END = asciiBytes(',"version_type":"external_gte"}}\n');
/** 2^53-1 has 16 digits. */
const VERSION_DIGITS_MAX = 16;
const FIXED_BYTES = DELETE.length + VERSION.length + VERSION_DIGITS_MAX + END.length + 1;
const DEFAULT_CAPACITY_BYTES = 1 << 20;
/** Below this a loop is faster: `set(subarray())` costs about 60 ns up to 300 bytes, most of it for the view. */
const LOOP_BYTES_MAX = 24;
const SPACE = 0x20;
const QUOTE = 0x22;
const SLASH = 0x2f;
const LINE_FEED = 0x0a;

const VERSION_CLAIM = 'a version is an integer in 1..2^53-1';

const encoder = new TextEncoder();

function isVersion(version: number): boolean {
  return Number.isSafeInteger(version) && version > 0;
}

/** An upper bound of what `addIndex` appends for this hit, at most 16 bytes too high. */
export function bulkIndexSizeBytes(hit: WireHit): number {
  return lineSizeBytes(hit.idEnd - hit.idStart, hit.routingEnd - hit.routingStart) + (hit.sourceEnd - hit.sourceStart);
}

function lineSizeBytes(idBytes: number, routingBytes: number): number {
  return FIXED_BYTES + idBytes + (routingBytes === 0 ? 0 : ROUTING.length + routingBytes);
}

/**
 * A bulk body that grows as it is filled: give it the size of a batch as capacity, and it never does. Every line carries
 * `version_type: external_gte`, so that sending it again is harmless; or, for an exact delete, the operation that it is meant for.
 */
export class BulkBody {
  readonly #capacityBytes: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #sizeBytes = 0;
  #operations = 0;

  /** `memory`: what to write into, as long as it is large enough. */
  constructor(
    capacityBytes: number = DEFAULT_CAPACITY_BYTES,
    memory: Uint8Array<ArrayBuffer> = new Uint8Array(capacityBytes),
  ) {
    this.#capacityBytes = capacityBytes;
    this.#buffer = memory;
  }

  get operations(): number {
    return this.#operations;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** A view, not a copy: it changes with the next `clear` and what is added after it. */
  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#sizeBytes);
  }

  /** Empties the body for reuse. Only when no request is sending its bytes any more. Memory beyond the capacity is given back. */
  clear(): void {
    if (this.#buffer.length > this.#capacityBytes) this.#buffer = new Uint8Array(this.#capacityBytes);
    this.#sizeBytes = 0;
    this.#operations = 0;
  }

  /**
   * Appends an action line and the document's own bytes, without what must not stand in a line: raw line breaks and line
   * comments become spaces. Both stand only between tokens, so the document means the same.
   */
  addIndex(page: SearchPage, hit: WireHit, version: number): void {
    assert(hit.sourceStart >= 0, 'a hit without _source is never written');
    assert(isVersion(version), VERSION_CLAIM);
    this.#reserve(bulkIndexSizeBytes(hit));
    this.#append(INDEX);
    this.#copy(page.body, hit.idStart, hit.idEnd);
    if (hit.routingStart >= 0) {
      this.#append(ROUTING);
      this.#copy(page.body, hit.routingStart, hit.routingEnd);
    }
    this.#appendVersion(version);
    if (hit.sourceMultiline) this.#appendInOneLine(page.body, hit.sourceStart, hit.sourceEnd);
    else this.#copy(page.body, hit.sourceStart, hit.sourceEnd);
    this.#buffer[this.#sizeBytes++] = LINE_FEED;
    this.#operations++;
  }

  addDelete(id: string, routing: string | undefined, version: number): void {
    assert(isVersion(version), VERSION_CLAIM);
    this.#beginDelete(id, routing);
    this.#appendVersion(version);
    this.#operations++;
  }

  /** Only if the document is still what this operation made it; under the next version of its own. */
  addExactDelete(id: string, routing: string | undefined, operation: { seqNo: number; primaryTerm: number }): void {
    const condition = `,"if_seq_no":${operation.seqNo},"if_primary_term":${operation.primaryTerm}}}\n`;
    this.#beginDelete(id, routing, condition.length);
    this.#append(encoder.encode(condition));
    this.#operations++;
  }

  #beginDelete(id: string, routing: string | undefined, moreBytes = 0): void {
    const idText = encoder.encode(JSON.stringify(id));
    const routingText = routing === undefined ? new Uint8Array() : encoder.encode(JSON.stringify(routing));
    this.#reserve(lineSizeBytes(idText.length, routingText.length) + moreBytes);
    this.#append(DELETE);
    this.#append(idText);
    if (routing === undefined) return;
    this.#append(ROUTING);
    this.#append(routingText);
  }

  #reserve(bytes: number): void {
    const needed = this.#sizeBytes + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.bytes());
    this.#buffer = grown;
  }

  #append(text: Uint8Array): void {
    this.#buffer.set(text, this.#sizeBytes);
    this.#sizeBytes += text.length;
  }

  #copy(from: Uint8Array, start: number, end: number): void {
    const buffer = this.#buffer;
    let at = this.#sizeBytes;
    this.#sizeBytes = at + end - start;
    if (end - start > LOOP_BYTES_MAX) {
      buffer.set(from.subarray(start, end), at);
      return;
    }
    for (let i = start; i < end; i++) buffer[at++] = from[i] as number;
  }

  #appendInOneLine(body: Uint8Array, start: number, end: number): void {
    const buffer = this.#buffer;
    let size = this.#sizeBytes;
    let at = start;
    while (at < end) {
      const byte = body[at];
      const blank = byte === SLASH && body[at + 1] === SLASH;
      const tokenEnd = byte === QUOTE ? stringEnd(body, at + 1) : byte === SLASH ? commentEnd(body, at) : at + 1;
      for (; at < tokenEnd; at++) buffer[size++] = blank || isLineBreak(body[at]) ? SPACE : (body[at] as number);
    }
    this.#sizeBytes = size;
  }

  #appendVersion(version: number): void {
    this.#append(VERSION);
    let digits = 1;
    for (let bound = 10; version >= bound; bound *= 10) digits++;
    let rest = version;
    for (let at = this.#sizeBytes + digits - 1; at >= this.#sizeBytes; at--) {
      const tenth = Math.floor(rest / 10);
      this.#buffer[at] = 0x30 + (rest - tenth * 10);
      rest = tenth;
    }
    this.#sizeBytes += digits;
    this.#append(END);
  }
}
