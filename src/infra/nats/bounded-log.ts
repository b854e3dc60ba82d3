import { appendFile, rename, stat } from 'node:fs/promises';

/** Two files of this size at most: the current one and the one before, which ends in `.1`. */
export const LOG_FILE_MAX_BYTES = 1024 ** 2;
/** What waits for the disk; more than this is dropped, since a log must not cost memory. */
const PENDING_MAX_BYTES = 256 * 1024;
const TAIL_LINES = 12;

export interface BoundedLog {
  /** One line, without its line break. Never fails and never waits. */
  write(line: string): void;
  /** The last lines, for the reason of a failure. */
  tail(): string;
  /** When everything that was written is in the file. */
  flushed(): Promise<void>;
}

/** A log file that cannot grow without bound. Where it cannot be written (full disk), only the tail is kept. */
export function boundedLog(file: string, maxBytes: number = LOG_FILE_MAX_BYTES): BoundedLog {
  const lastLines: string[] = [];
  let pending = '';
  let writing: Promise<void> | undefined;
  let sizeBytes: number | undefined;

  const drain = async (): Promise<void> => {
    sizeBytes ??= (await stat(file).catch(() => undefined))?.size ?? 0;
    while (pending !== '') {
      const text = pending;
      pending = '';
      try {
        if (sizeBytes + Buffer.byteLength(text) > maxBytes && sizeBytes > 0) {
          await rename(file, `${file}.1`);
          sizeBytes = 0;
        }
        await appendFile(file, text, { mode: 0o600 });
        sizeBytes += Buffer.byteLength(text);
      } catch {
        sizeBytes = undefined;
        return;
      }
    }
  };

  return {
    write(line) {
      lastLines.push(line);
      if (lastLines.length > TAIL_LINES) lastLines.shift();
      if (pending.length + line.length > PENDING_MAX_BYTES) return;
      pending += `${line}\n`;
      writing ??= drain().finally(() => (writing = undefined));
    },
    tail: () => lastLines.join('\n'),
    async flushed() {
      while (writing !== undefined) await writing;
    },
  };
}
