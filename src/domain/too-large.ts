/**
 * Tells whether the follower refused a document for its size, so that it will be refused for ever, or only for what else was going on.
 *
 * Seen on Elasticsearch 9.4.3 with 512 MB of heap: a bulk request of one document is charged once for the request and four times for the
 * document, and each limit is a tenth of the heap, so a document that fits is at most a fiftieth of it (10.2 MB passed, 10.25 MB did not). What
 * does not fit gets 429, as overload does. From 51.2 MB on the request is refused as a whole, and above `http.max_content_length` with 413.
 * A circuit breaker speaks of the heap as it is at that moment, never of one document.
 */

/** The answer to a bulk request that held this one document and nothing else. */
export interface RefusedAlone {
  /** Of the item, or of the request if it was refused as a whole. */
  readonly status: number;
  /** In the server's words, with or without the type in front. */
  readonly reason: string;
  /** Of the request's body. */
  readonly bodyBytes: number;
}

export interface TooLarge {
  /** What an operator would have to raise on the follower. */
  readonly setting:
    | 'http.max_content_length'
    | 'indexing_pressure.memory.limit'
    | 'indexing_pressure.memory.max_operation_size';
  /** What the setting has to allow at least, where the answer tells. */
  readonly neededBytes: number | undefined;
  readonly limitBytes: number | undefined;
}

/** Undefined: not for its size alone, send it again later. */
export function tooLargeAlone({ status, reason, bodyBytes }: RefusedAlone): TooLarge | undefined {
  if (status === 413) return { setting: 'http.max_content_length', neededBytes: bodyBytes, limitBytes: undefined };
  if (status !== 429) return undefined;
  return operationTooLarge(reason) ?? overPressureLimit(reason, bodyBytes);
}

/** One line for an operator, without anything of the document. */
export function tooLargeText({ setting, neededBytes, limitBytes }: TooLarge): string {
  const limit = limitBytes === undefined ? '' : ` of ${limitBytes} bytes`;
  const needed = neededBytes === undefined ? '' : `; the document needs ${neededBytes} bytes of it`;
  return `above the follower's ${setting}${limit}${needed}`;
}

const OPERATION_SIZE = /operation of size \[(\d+)\] bytes, which exceeds the maximum allowed limit of \[(\d+)\] bytes/;

function operationTooLarge(reason: string): TooLarge | undefined {
  const [, size, limit] = OPERATION_SIZE.exec(reason) ?? [];
  if (size === undefined || limit === undefined) return undefined;
  return {
    setting: 'indexing_pressure.memory.max_operation_size',
    neededBytes: Number(size),
    limitBytes: Number(limit),
  };
}

const PRESSURE =
  /rejected execution of (?:coordinating|primary|replica) operation \[.*?all_bytes=(\d+), \w+_operation_bytes=(\d+), max_\w+_bytes=(\d+)\]/;
/** What the follower adds to a body of one document in its books; 134 to 208 bytes were seen. */
const OVERHEAD_BYTES_MAX = 2048;

/** Either the charge alone is above the limit, or it is together with the request's own bytes while nothing else was in the books. */
function overPressureLimit(reason: string, bodyBytes: number): TooLarge | undefined {
  const [, others, charge, limit] = (PRESSURE.exec(reason) ?? []).map(Number);
  if (others === undefined || charge === undefined || limit === undefined) return undefined;
  const onlyItself = Math.abs(others - bodyBytes) <= OVERHEAD_BYTES_MAX;
  if (charge <= limit && !(onlyItself && charge + others > limit)) return undefined;
  return {
    setting: 'indexing_pressure.memory.limit',
    neededBytes: onlyItself ? charge + others : charge,
    limitBytes: limit,
  };
}
