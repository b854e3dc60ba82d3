/**
 * Which of a cluster's addresses takes the next request: each in turn, but none that gave no answer lately. The library's own pools learn of
 * failures through error classes that `PlainConnection` does not raise.
 */
import { BaseConnectionPool } from '@elastic/elasticsearch';

/** A node that is away costs one failed request in this time, at most; doubled with each one in a row. */
const REST_MS = 1_000;
const REST_MAX_MS = 30_000;

type Node = NonNullable<ReturnType<BaseConnectionPool['getConnection']>>;

/** Until when a node rests that gave no answer so often in a row, requests that failed together counted once. */
export function restUntilMs(failures: number, nowMs: number): number {
  return nowMs + Math.min(REST_MAX_MS, REST_MS * 2 ** (failures - 1));
}

export class NodeRotation extends BaseConnectionPool {
  #last = -1;

  override getConnection(): Node | null {
    const nowMs = performance.now();
    const inTurn = this.connections.map((_, at) => (this.#last + 1 + at) % this.size);
    const rest = (at: number): number => Math.max(nowMs, restsUntilMs(this.connections[at]));
    const [first] = inTurn.toSorted((one, other) => rest(one) - rest(other));
    if (first === undefined) return null;
    this.#last = first;
    return this.connections[first] ?? null;
  }

  override markAlive(): this {
    return this;
  }

  override markDead(): this {
    return this;
  }
}

function restsUntilMs(node: object | undefined): number {
  return node !== undefined && 'restsUntilMs' in node ? Number(node.restsUntilMs) : 0;
}
