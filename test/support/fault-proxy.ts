/**
 * Stands between a client and one server on loopback, whatever they speak, and does to their connections what networks do. What is wrong is
 * changed at run time, and what was done is counted. (http-proxy.ts knows requests and answers, and does things to those.)
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/**
 * - wan        every byte is so much later, each way; all connections share the bandwidth, each way
 * - reset      an answer is cut in its middle by a reset; the server has the request
 * - truncate   an answer is cut in its middle, and the connection ends in good order
 * - slowClose  an answer is the last of its connection: the next request is taken, but the server never has it, and so much later the
 *              connection ends in good order
 * - blackHole  nothing arrives any more, either way, the end of a connection included; all of it arrives when the fault ends, as it does
 *              where somebody sends again
 *
 * `share` of the answers are hit, all unless told; of `times`, so many. `afterBytes` of an answer arrive before the cut; unless told, it
 * is drawn, and an answer that is shorter arrives.
 */
export type NetworkFault =
  | { readonly kind: 'wan'; readonly delayMs: number; readonly bytesPerSecond: number }
  | {
      readonly kind: 'reset' | 'truncate';
      readonly share?: number;
      readonly times?: number;
      readonly afterBytes?: number;
    }
  | { readonly kind: 'slowClose'; readonly share?: number; readonly times?: number; readonly delayMs: number }
  | { readonly kind: 'blackHole' };

export type NetworkFaultKind = NetworkFault['kind'];

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Undefined: nothing is wrong. */
  set(fault: NetworkFault | undefined): void;
  /** So far: pieces that came late or were held, answers that were cut, connections that were closed slowly. */
  readonly counts: Readonly<Record<NetworkFaultKind, number>>;
}

interface Way {
  readonly from: Socket;
  readonly to: Socket;
  /** Shared by all connections: when the last byte given to the line so far has left it. */
  readonly line: { freeAtMs: number };
  readonly queue: Parcel[];
  queuedBytes: number;
  busy: boolean;
}

interface Parcel {
  readonly content: Buffer | 'close' | 'reset';
  readonly dueAtMs: number;
}

/** Of one connection: what befalls the answer that is on its way. */
interface Fate {
  readonly cut?: { readonly kind: 'reset' | 'truncate'; bytesLeft: number };
  readonly last?: boolean;
}

const QUEUED_BYTES_MAX = 256 * 1024;
const DRAWN_BYTES_MAX = 64 * 1024;

export async function startFaultProxy({
  serverPort,
  random = Math.random,
}: {
  readonly serverPort: number;
  readonly random?: () => number;
}): Promise<FaultProxy> {
  const ways = new Set<Way>();
  const sockets = new Set<Socket>();
  const [toServer, toClient] = [{ freeAtMs: 0 }, { freeAtMs: 0 }];
  const counts = { wan: 0, reset: 0, truncate: 0, slowClose: 0, blackHole: 0 };
  let fault: NetworkFault | undefined;
  let hits = 0;

  function draw(): Fate {
    if (fault === undefined || fault.kind === 'wan' || fault.kind === 'blackHole') return {};
    if (hits >= (fault.times ?? Infinity) || random() >= (fault.share ?? 1)) return {};
    if (fault.kind === 'slowClose') return { last: true };
    return { cut: { kind: fault.kind, bytesLeft: fault.afterBytes ?? Math.floor(DRAWN_BYTES_MAX ** random()) } };
  }

  function send(way: Way, content: Parcel['content']): void {
    const nowMs = performance.now();
    let dueAtMs = nowMs;
    if (fault?.kind === 'blackHole') counts.blackHole += 1;
    if (fault?.kind === 'wan') {
      counts.wan += 1;
      const bytes = typeof content === 'string' ? 0 : content.length;
      way.line.freeAtMs = Math.max(way.line.freeAtMs, nowMs) + (bytes / fault.bytesPerSecond) * 1000;
      dueAtMs = way.line.freeAtMs + fault.delayMs;
    }
    way.queue.push({ content, dueAtMs });
    way.queuedBytes += content.length;
    if (way.queuedBytes > QUEUED_BYTES_MAX) way.from.pause();
    pump(way);
  }

  function pump(way: Way): void {
    const { from, to, queue } = way;
    while (!way.busy && fault?.kind !== 'blackHole') {
      const next = queue[0];
      if (next === undefined) return;
      const waitMs = next.dueAtMs - performance.now();
      if (waitMs > 0) return wait(way, (go) => void setTimeout(go, waitMs));
      queue.shift();
      way.queuedBytes -= next.content.length;
      if (way.queuedBytes <= QUEUED_BYTES_MAX) from.resume();
      if (next.content === 'close') to.destroySoon();
      else if (next.content === 'reset') to.resetAndDestroy();
      else if (!to.destroyed && !to.write(next.content)) wait(way, (go) => void to.once('drain', go).once('close', go));
    }
  }

  function wait(way: Way, until: (go: () => void) => void): void {
    way.busy = true;
    until(() => {
      way.busy = false;
      pump(way);
    });
  }

  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    const up: Way = { from: client, to: upstream, line: toServer, queue: [], queuedBytes: 0, busy: false };
    const down: Way = { from: upstream, to: client, line: toClient, queue: [], queuedBytes: 0, busy: false };
    /** Undefined: the next byte of the server begins an answer. */
    let fate: Fate | undefined;
    let over = false;
    const end = (kind: 'reset' | 'truncate' | 'slowClose', how: 'reset' | 'close'): void => {
      over = true;
      hits += 1;
      counts[kind] += 1;
      send(down, how);
    };
    const slowly = (): void => {
      over = true;
      const delayMs = fault?.kind === 'slowClose' ? fault.delayMs : 0;
      setTimeout(() => end('slowClose', 'close'), delayMs);
    };
    client.on('data', (chunk) => {
      if (over) return;
      if (fate?.last === true) return slowly();
      fate = undefined;
      send(up, chunk);
    });
    upstream.on('data', (chunk) => {
      if (over) return;
      fate ??= draw();
      const { cut } = fate;
      if (cut === undefined || chunk.length <= cut.bytesLeft) {
        if (cut !== undefined) cut.bytesLeft -= chunk.length;
        return send(down, chunk);
      }
      if (cut.bytesLeft > 0) send(down, chunk.subarray(0, cut.bytesLeft));
      end(cut.kind, cut.kind === 'reset' ? 'reset' : 'close');
    });
    for (const way of [up, down]) {
      ways.add(way);
      sockets.add(way.from);
      way.from.on('error', () => undefined);
      way.from.on('close', () => {
        sockets.delete(way.from);
        send(way, 'close');
        if (client.destroyed && upstream.destroyed) for (const each of [up, down]) ways.delete(each);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return {
    port: address.port,
    counts,
    set(next) {
      fault = next;
      hits = 0;
      for (const way of ways) pump(way);
    },
    async [Symbol.asyncDispose]() {
      fault = undefined;
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
