import { HitPool } from './hit-pool.ts';

const STEP_BYTES = 256 * 1024;
/** Six of the pages that are asked for by default. */
const HITS_KEPT_MAX = 32_768;

/**
 * Memory for answers and requests that is used again: fresh buffers for every page are freed only when the garbage collector comes round to
 * them. Measured in a first copy: 23 MB of 233 MB and a fifth of the supervisor's CPU less. Keeps at most `keepBytes` that nobody uses.
 */
export class BufferPool {
  readonly hits = new HitPool(HITS_KEPT_MAX);
  readonly #keepBytes: number;
  readonly #free: Uint8Array<ArrayBuffer>[] = [];
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #freeBytes = 0;

  constructor(keepBytes: number) {
    this.#keepBytes = keepBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** At least `sizeBytes` long; what stands in it is of no meaning. */
  take(sizeBytes: number): Uint8Array<ArrayBuffer> {
    const at = this.#free.findLastIndex((buffer) => buffer.length >= sizeBytes);
    const [kept] = at < 0 ? [] : this.#free.splice(at, 1);
    this.#freeBytes -= kept?.length ?? 0;
    const buffer = kept ?? new Uint8Array(Math.ceil(sizeBytes / STEP_BYTES) * STEP_BYTES);
    this.#lent.add(buffer.buffer);
    return buffer;
  }

  /**
   * Takes back what `take` gave, as a whole or as a view of its start. Only when nobody reads it or writes it any more, not even the
   * kernel: not after a request that was given up. Anything else, and what was given back already, is left alone.
   */
  give(view: Uint8Array): void {
    const { buffer } = view;
    if (!(buffer instanceof ArrayBuffer) || !this.#lent.delete(buffer)) return;
    const whole = new Uint8Array(buffer);
    // A giant would push out all the others.
    if (whole.length > this.#keepBytes / 2) return;
    this.#free.push(whole);
    this.#freeBytes += whole.length;
    // The oldest goes first: what is too small for today's pages would stay for ever.
    while (this.#freeBytes > this.#keepBytes) this.#freeBytes -= this.#free.shift()?.length ?? 0;
  }
}
