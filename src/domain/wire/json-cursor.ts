/**
 * Walks the JSON text of an answer byte by byte, without decoding it. That is safe in UTF-8: every byte of a longer
 * character is at or above 0x80 and can never be taken for a quote or a bracket. Elasticsearch also keeps what its parser
 * tolerates in a document: a byte order mark before it, and comments, which may hold quotes and brackets of their own.
 */

/** What is wrong with an answer: not of the expected form, or of that form and still not to be told apart safely. */
export type WireProblem = 'malformed' | 'source_ends_in_line_comment';

/** Bytes from a server that are not what was expected. Tells the place, never the content. */
export class WireFormatError extends Error {
  readonly problem: WireProblem;
  /** Bytes from the start of the body. */
  readonly offset: number;
  readonly expected: string;

  constructor(options: { offset: number; expected: string; problem?: WireProblem }) {
    super(`expected ${options.expected} at byte ${options.offset}`);
    this.name = 'WireFormatError';
    this.problem = options.problem ?? 'malformed';
    this.offset = options.offset;
    this.expected = options.expected;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const ASTERISK = 0x2a;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const SPACE = 0x20;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** `[` and `]` differ from `{` and `}` in this one bit. */
const BRACE_BIT = 0x20;
const OPEN = 0x7b;
const CLOSE = 0x7d;

const CLEAN_STRING = 'a string without raw control characters';

export type Bracket = '{' | '[';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** The string that the JSON text `body[start, end)`, quotes included, stands for. */
export function decodeText(body: Uint8Array, start: number, end: number): string {
  if (start >= 0 && end - start >= 2 && end <= body.length && body[start] === QUOTE) {
    try {
      const value: unknown = JSON.parse(decoder.decode(body.subarray(start, end)));
      if (typeof value === 'string') return value;
    } catch {
      // Told below: the parser's own message would quote the content.
    }
  }
  throw new WireFormatError({ offset: start, expected: 'a JSON string in UTF-8' });
}

export class JsonCursor {
  readonly body: Uint8Array;
  at = 0;
  /** The key read last, as offsets without its quotes. */
  keyStart = 0;
  keyEnd = 0;
  /** Whether the container skipped last has control characters or comments between its tokens. */
  multiline = false;

  constructor(body: Uint8Array) {
    this.body = body;
  }

  fail(expected: string, at: number = this.at): never {
    throw new WireFormatError({ offset: at, expected });
  }

  skipSpace(): void {
    const body = this.body;
    let at = this.at;
    while (at < body.length) {
      const byte = body[at];
      if (byte !== SPACE && byte !== LINE_FEED && byte !== CARRIAGE_RETURN && byte !== 0x09) break;
      at++;
    }
    this.at = at;
  }

  /** Moves to the next token and returns its first byte, or -1 at the end. */
  peek(): number {
    this.skipSpace();
    return this.body[this.at] ?? -1;
  }

  /** Enters an object or array. True if it has a first element. */
  open(bracket: Bracket, expected: string): boolean {
    const open = bracket === '{' ? OPEN : OPEN ^ BRACE_BIT;
    if (this.peek() !== open) this.fail(expected);
    this.at++;
    if (this.peek() !== open + 2) return true;
    this.at++;
    return false;
  }

  /** Moves past an element. True if another one follows. */
  more(bracket: Bracket): boolean {
    const byte = this.peek();
    if (byte === COMMA) {
      this.at++;
      return true;
    }
    if (byte !== (bracket === '{' ? CLOSE : CLOSE ^ BRACE_BIT)) {
      this.fail(bracket === '{' ? '"," or "}"' : '"," or "]"');
    }
    this.at++;
    return false;
  }

  /** Reads a key and its colon, and moves to the value. */
  readKey(): void {
    this.skipSpace();
    this.keyStart = this.at + 1;
    this.skipString('a key');
    this.keyEnd = this.at - 1;
    if (this.peek() !== COLON) this.fail('":"');
    this.at++;
    this.skipSpace();
  }

  /** Whether the key read last is this one. A key spelt with escapes is never equal. */
  keyIs(name: Uint8Array): boolean {
    const { body, keyStart } = this;
    if (this.keyEnd - keyStart !== name.length) return false;
    for (let i = 0; i < name.length; i++) if (body[keyStart + i] !== name[i]) return false;
    return true;
  }

  /** Passes bytes that are those of `body[start, end)`. False, and nothing passed: others stand here. */
  repeats(start: number, end: number): boolean {
    const { body, at } = this;
    for (let i = start, here = at; i < end; i++, here++) if (body[i] !== body[here]) return false;
    this.at = at + end - start;
    return true;
  }

  keyText(): string {
    return decodeText(this.body, this.keyStart - 1, this.keyEnd + 1);
  }

  /** Moves past a string; a raw control character inside is refused, since a line break there would split a bulk. */
  skipString(expected: string): void {
    if (this.peek() !== QUOTE) this.fail(expected);
    this.at = stringEnd(this.body, this.at + 1);
  }

  /** Moves past any value. */
  skipValue(): void {
    const byte = this.peek();
    if (byte === QUOTE) this.skipString('a string');
    else if ((byte | BRACE_BIT) === OPEN) this.skipContainer();
    else this.skipScalar();
  }

  /**
   * Moves past an object or array at the cursor. Only brackets of its own kind are counted, with a counter instead of
   * recursion. Whether the rest is JSON is left to the server that parses it; but no raw control character passes in a string.
   */
  skipContainer(): void {
    const body = this.body;
    const end = body.length;
    const open = body[this.at];
    const close = open === OPEN ? CLOSE : CLOSE ^ BRACE_BIT;
    let at = this.at + 1;
    let depth = 1;
    this.multiline = false;
    while (at < end) {
      const byte = body[at++] as number;
      if (byte === QUOTE) {
        // stringEnd once more, in place: a call here costs a quarter of the speed.
        const start = at;
        let controls = 0;
        while (at < end) {
          const inner = body[at++] as number;
          if (inner === QUOTE) break;
          controls |= inner - SPACE;
          if (inner === BACKSLASH) controls |= (body[at++] as number) - SPACE;
        }
        if (controls < 0) this.fail(CLEAN_STRING, start);
      } else if (byte === open) {
        depth++;
      } else if (byte === close) {
        if (--depth === 0) {
          this.at = at;
          return;
        }
      } else if (byte < SPACE) {
        this.multiline = true;
      } else if (byte === SLASH) {
        this.multiline = true;
        at = commentEnd(body, at - 1);
      }
    }
    this.fail('the end of an object or array', end);
  }

  /** An integer that a double holds exactly. */
  readInteger(options: { expected: string; minimum: number }): number {
    const body = this.body;
    const negative = this.peek() === MINUS;
    const start = this.at;
    let at = negative ? start + 1 : start;
    const firstDigit = at;
    let value = 0;
    while (at < body.length) {
      const digit = (body[at] as number) - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    if (negative) value = -value;
    const digits = at - firstDigit;
    const wellFormed = digits === 1 || (digits > 1 && body[firstDigit] !== 0x30);
    if (!wellFormed || !Number.isSafeInteger(value) || value < options.minimum) {
      this.fail(options.expected, start);
    }
    this.at = at;
    return value;
  }

  readBoolean(expected: string): boolean {
    const value = this.peek() === 0x74;
    const start = this.at;
    const word = value ? TRUE : FALSE;
    for (let i = 0; i < word.length; i++) if (this.body[start + i] !== word[i]) this.fail(expected, start);
    this.at = start + word.length;
    return value;
  }

  /** Refuses anything but space up to the end of the body. */
  readEnd(): void {
    if (this.peek() !== -1) this.fail('the end of the answer');
  }

  private skipScalar(): void {
    const start = this.at;
    while (isScalarByte(this.body[this.at])) this.at++;
    if (this.at === start) this.fail('a value');
  }
}

const TRUE = asciiBytes('true');
const FALSE = asciiBytes('false');

/** The bytes of a constant. */
export function asciiBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Bytes of numbers and of true, false and null. */
function isScalarByte(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2e ||
    byte === MINUS ||
    byte === 0x45
  );
}

export function isLineBreak(byte: number | undefined): boolean {
  return byte === LINE_FEED || byte === CARRIAGE_RETURN;
}

/** Offset after the closing quote of the string whose first content byte is at `start`. */
export function stringEnd(body: Uint8Array, start: number): number {
  const end = body.length;
  let at = start;
  // Control characters are gathered in the sign bit: that is faster than a branch for each byte.
  let controls = 0;
  while (at < end) {
    const byte = body[at++] as number;
    if (byte === QUOTE) {
      if (controls < 0) throw new WireFormatError({ offset: start, expected: CLEAN_STRING });
      return at;
    }
    controls |= byte - SPACE;
    if (byte === BACKSLASH) controls |= (body[at++] as number) - SPACE;
  }
  throw new WireFormatError({ offset: end, expected: 'the end of a string' });
}

/** Offset after the comment that starts at `start`. A line comment ends before its line break, which it must have. */
export function commentEnd(body: Uint8Array, start: number): number {
  const kind = body[start + 1];
  for (let at = start + 2; at < body.length; at++) {
    if (kind === SLASH && isLineBreak(body[at])) return at;
    if (kind === ASTERISK && body[at] === ASTERISK && body[at + 1] === SLASH) return at + 2;
  }
  throw new WireFormatError({ offset: start, expected: 'a complete comment' });
}
