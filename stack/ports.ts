import { once } from 'node:events';
import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** Hands out loopback ports: the preferred one where it is free, otherwise one that the system chooses; none twice. */
export type PortPicker = (preferred: number) => Promise<number>;

export function portPicker(log: (line: string) => void): PortPicker {
  const given = new Set<number>();
  return async (preferred) => {
    let port = given.has(preferred) ? undefined : await tryPort(preferred);
    const taken = port === undefined;
    while (port === undefined || given.has(port)) port = await tryPort(0);
    if (taken) log(`port ${preferred} is taken, using ${port}`);
    given.add(port);
    return port;
  };
}

/** The port when it can be listened on now, else undefined. 0 lets the system choose. */
async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen({ port, host: LOOPBACK, exclusive: true });
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address ? address.port : undefined;
  } catch {
    return undefined;
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}
