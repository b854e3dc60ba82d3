import { assert } from '../domain/assert.ts';
import { BufferPool } from '../domain/wire/buffer-pool.ts';

/** Bytes and operations held by one page from before it is read until it is applied. */
export interface BudgetLease {
  /** Corrects the reservation once the true size is known; may exceed the budget for one page that is larger than expected. */
  adjust(bytes: number, operations: number): void;
  release(): void;
}

interface Waiter {
  readonly bytes: number;
  readonly operations: number;
  readonly grant: () => void;
}

const KEPT_BYTES_MAX = 12 * 1024 * 1024;

/**
 * One budget of bytes and operations for the whole supervisor. First come, first served, so that no pair starves; a page larger than
 * the whole budget is let through alone. Back-pressure: readers wait here while the follower is slow.
 */
export class ByteBudget {
  readonly #capacityBytes: number;
  readonly #capacityOperations: number;
  #buffers: BufferPool | undefined;
  readonly #waiters: Waiter[] = [];
  #usedBytes = 0;
  #usedOperations = 0;
  #leases = 0;

  constructor(options: { capacityBytes: number; capacityOperations: number }) {
    this.#capacityBytes = options.capacityBytes;
    this.#capacityOperations = options.capacityOperations;
  }

  /** The memory of what the budget counts. */
  get buffers(): BufferPool {
    this.#buffers ??= new BufferPool(Math.min(KEPT_BYTES_MAX, this.#capacityBytes / 4));
    return this.#buffers;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  async acquire(bytes: number, operations: number, signal: AbortSignal): Promise<BudgetLease> {
    signal.throwIfAborted();
    if (this.#waiters.length > 0 || !this.#fits(bytes, operations)) {
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = {
          bytes,
          operations,
          grant: () => {
            signal.removeEventListener('abort', onAbort);
            this.#take(bytes, operations);
            resolve();
          },
        };
        const onAbort = (): void => {
          this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
          this.#grantWaiting();
          reject(signal.reason as Error);
        };
        signal.addEventListener('abort', onAbort, { once: true });
        this.#waiters.push(waiter);
      });
    } else this.#take(bytes, operations);
    return this.#lease(bytes, operations);
  }

  #lease(bytes: number, operations: number): BudgetLease {
    let heldBytes = bytes;
    let heldOperations = operations;
    let released = false;
    return {
      adjust: (nowBytes, nowOperations) => {
        assert(!released, 'a released lease is not adjusted');
        this.#usedBytes += nowBytes - heldBytes;
        this.#usedOperations += nowOperations - heldOperations;
        heldBytes = nowBytes;
        heldOperations = nowOperations;
        this.#grantWaiting();
      },
      release: () => {
        if (released) return;
        released = true;
        this.#usedBytes -= heldBytes;
        this.#usedOperations -= heldOperations;
        this.#leases -= 1;
        this.#grantWaiting();
      },
    };
  }

  #fits(bytes: number, operations: number): boolean {
    if (this.#leases === 0) return true;
    return (
      this.#usedBytes + bytes <= this.#capacityBytes && this.#usedOperations + operations <= this.#capacityOperations
    );
  }

  #take(bytes: number, operations: number): void {
    this.#usedBytes += bytes;
    this.#usedOperations += operations;
    this.#leases += 1;
  }

  #grantWaiting(): void {
    for (
      let first = this.#waiters[0];
      first !== undefined && this.#fits(first.bytes, first.operations);
      first = this.#waiters[0]
    ) {
      this.#waiters.shift();
      first.grant();
    }
  }
}
