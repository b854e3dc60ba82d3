import type { CommandResult, Page } from '../domain/commands.ts';
import { jsonBytes } from '../domain/pages.ts';

/** Answers are cut into pages of at most this, so that one message carries them and no other waits long behind it. */
export const MAX_PAGE_BYTES = 512 * 1024;

/** The answer to a command, in pages; each tells the whole outcome and a part of the pairs. The cursor of a page is its number. */
export function resultPages(result: CommandResult, maxBytes: number): readonly Page<CommandResult>[] {
  const parts: CommandResult['pairs'][number][][] = [[]];
  let usedBytes = 0;
  for (const pair of result.pairs) {
    const sizeBytes = jsonBytes(pair);
    const part = parts.at(-1) ?? [];
    if (part.length > 0 && usedBytes + sizeBytes > maxBytes) {
      parts.push([pair]);
      usedBytes = sizeBytes;
    } else {
      part.push(pair);
      usedBytes += sizeBytes;
    }
  }
  return parts.map((pairs, at) => ({
    items: [{ ...result, pairs }],
    next: at + 1 < parts.length ? String(at + 1) : undefined,
  }));
}
