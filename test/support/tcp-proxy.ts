import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** What the server says next on a connection is lost, and the connection with it; what the client said has arrived. */
  loseNextAnswer(): void;
  /** Ends all connections and takes no new ones, until it is joined again. */
  cut(): void;
  join(): void;
  /** Both ways, so far. */
  readonly bytes: number;
}

/** Between a client and a server on this machine. */
export async function tcpProxy(serverPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let losing = false;
  let apart = false;
  let bytes = 0;
  const server = createServer((client) => {
    if (apart) {
      client.destroy();
      return;
    }
    const upstream = connect(serverPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream);
    client.on('data', (chunk) => void (bytes += chunk.length));
    upstream.on('data', (chunk) => {
      bytes += chunk.length;
      if (!losing) {
        client.write(chunk);
        return;
      }
      losing = false;
      client.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return {
    port: address.port,
    loseNextAnswer: () => void (losing = true),
    cut() {
      apart = true;
      for (const socket of sockets) socket.destroy();
    },
    join: () => void (apart = false),
    get bytes() {
      return bytes;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
