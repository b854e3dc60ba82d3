import { commentEnd, isLineBreak, stringEnd } from '../../domain/wire/json-cursor.ts';

const SPACE = 0x20;
const QUOTE = 0x22;
const SLASH = 0x2f;

/**
 * A document as it has to arrive: line breaks and line comments between its tokens, which cannot stand in a line of a bulk body, are spaces. All
 * other bytes stay.
 */
export function oneLine(source: Uint8Array): Uint8Array {
  const line = source.slice();
  let at = 0;
  while (at < line.length) {
    const byte = line[at];
    if (byte === QUOTE) {
      at = stringEnd(line, at + 1);
    } else if (byte === SLASH) {
      const end = commentEnd(source, at);
      const whole = source[at + 1] === SLASH;
      for (; at < end; at += 1) if (whole || isLineBreak(line[at])) line[at] = SPACE;
    } else {
      if (isLineBreak(byte)) line[at] = SPACE;
      at += 1;
    }
  }
  return line;
}
