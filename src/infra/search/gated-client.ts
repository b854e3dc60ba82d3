import type { RequestGate } from '../../ports/request-gate.ts';
import type { SearchClient } from './client.ts';

/** Every request passes the gate; what is not let through never reaches the connection pool. */
export function gatedClient(client: SearchClient, gate: RequestGate): SearchClient {
  return {
    name: client.name,
    requestTimeoutMs: client.requestTimeoutMs,
    send: (request, signal) => gate.pass(() => client.send(request, signal), signal),
    close: () => client.close(),
  };
}
