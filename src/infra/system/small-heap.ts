import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's heap near what is in use. Both flags are read whenever V8 thinks of growing; the usual ones only before the process starts,
 * where a command cannot set them.
 *
 * The young generation stays at its first size (2 MB). It would grow to 64 MB, since the few megabytes of pages on their way survive
 * every collection, and never shrink while there is work: with it the peak of a first copy was 186 MB instead of 258 MB.
 *
 * The old one may grow by two fifths between two collections, not to the double. At a quarter the whole heap was marked every 0.4 s, since the memory
 * of the sockets counts too: one second of CPU in a million documents. Measured at 25, 50 and 100 %: docs/adr/0018-a-first-copy-asks-for-less.md.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=40');
}
