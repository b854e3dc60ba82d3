import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation at its first size (2 MB). It would grow to 64 MB, since the few megabytes of pages on their way survive
 * every collection, and never shrink while there is work: a third of the process's memory, for 5 % less CPU. The flag is read whenever V8
 * thinks of growing; the usual one, `--max-semi-space-size`, only before the process starts, where a command cannot set it for itself.
 */
export function keepYoungHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
