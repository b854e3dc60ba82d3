/** A link on loopback that carries so many bytes a second towards the server; answers come back as fast as they can. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Transform, type TransformCallback } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

export interface SlowLink extends AsyncDisposable {
  readonly url: string;
  /** Towards the server, so far. */
  readonly carriedBytes: number;
}

const CHUNK_BYTES = 16 * 1024;

export async function startSlowLink(target: string, bytesPerSecond: number): Promise<SlowLink> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let carriedBytes = 0;
  /** When the link is free again. */
  let freeAtMs = 0;
  const carry = async (chunk: Buffer): Promise<void> => {
    carriedBytes += chunk.length;
    const now = performance.now();
    freeAtMs = Math.max(now, freeAtMs) + (chunk.length / bytesPerSecond) * 1000;
    await delay(freeAtMs - now);
  };
  /** All connections share the link. */
  const slow = (): Transform =>
    new Transform({
      highWaterMark: CHUNK_BYTES,
      transform(chunk: Buffer, _encoding, done: TransformCallback) {
        carry(chunk).then(
          () => done(null, chunk),
          (thrown: unknown) => done(thrown as Error),
        );
      },
    });
  const server = createServer({ highWaterMark: CHUNK_BYTES }, (client) => {
    const upstream = connect(Number(port), hostname);
    const both = [client, upstream];
    for (const socket of both) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        for (const other of both) other.destroy();
      });
    }
    client.pipe(slow()).pipe(upstream);
    upstream.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get carriedBytes() {
      return carriedBytes;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
