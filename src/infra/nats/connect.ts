import {
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  type ConnectionOptions,
  type NatsConnection,
} from '@nats-io/transport-node';
import { failed } from '../../domain/failure.ts';
import { natsReason } from './nats-failure.ts';

export type NatsAuth =
  /** Contents of a credentials file (JWT and seed). */
  | { readonly kind: 'credentials'; readonly contents: string }
  | { readonly kind: 'nkey'; readonly seed: string }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string };

/** PEM texts. */
export interface NatsTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** For servers that speak TLS from the first byte. */
  readonly handshakeFirst?: boolean;
}

export type NatsConnectionState =
  | { readonly kind: 'connected'; readonly server: string }
  | { readonly kind: 'disconnected'; readonly server: string }
  /** What the server refused on a living connection, e.g. a permission, or the reason of a failed reconnect. */
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'closed' };

export interface NatsConnectOptions {
  /** `nats://host:port` or `tls://host:port`; credentials never stand in an address. */
  readonly servers: readonly string[];
  /** Shown in the server's list of connections. */
  readonly name: string;
  readonly auth?: NatsAuth | undefined;
  readonly tls?: NatsTls | undefined;
  /** What the server must call itself, for a local one whose port another may have taken. */
  readonly serverName?: string | undefined;
  /** For one attempt at one server. */
  readonly connectTimeoutMs?: number | undefined;
  readonly onState?: ((state: NatsConnectionState) => void) | undefined;
}

/**
 * Connects once, or throws `journal_unreachable`. From then on the connection comes back by itself for ever, with jitter, also after
 * refused credentials (they may be granted again). A server that died without a word is noticed by ping within 30 s.
 * Requests made meanwhile are sent after the reconnect, or time out.
 */
export async function connectNats(options: NatsConnectOptions): Promise<NatsConnection> {
  const op = 'connect to NATS';
  const servers = options.servers.map(withoutCredentials).join(', ');
  let nc: NatsConnection;
  try {
    nc = await connect(connectionOptions(options));
  } catch (error) {
    throw failed('journal_unreachable', { op, reason: `${servers}: ${natsReason(error)}` }, error);
  }
  const { serverName } = options;
  if (serverName !== undefined && nc.info?.server_name !== serverName) {
    await nc.close();
    throw failed('journal_unreachable', { op, reason: `${servers}: another server has taken this port` });
  }
  void tellStates(nc, options.onState ?? (() => undefined));
  return nc;
}

function connectionOptions({ servers, name, auth, tls, connectTimeoutMs }: NatsConnectOptions): ConnectionOptions {
  const wantsTls = tls !== undefined || servers.some((server) => server.startsWith('tls://'));
  return {
    servers: [...servers],
    name,
    ...authOptions(auth),
    ...(wantsTls ? { tls: { ...tls } } : {}),
    timeout: connectTimeoutMs ?? 5_000,
    reconnect: true,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 500,
    reconnectJitter: 500,
    reconnectJitterTLS: 1_000,
    pingInterval: 10_000,
    maxPingOut: 2,
    noAsyncTraces: true,
  };
}

function authOptions(auth: NatsAuth | undefined): ConnectionOptions {
  switch (auth?.kind) {
    case undefined:
      return {};
    case 'credentials':
      return { authenticator: credsAuthenticator(new TextEncoder().encode(auth.contents)) };
    case 'nkey':
      return { authenticator: nkeyAuthenticator(new TextEncoder().encode(auth.seed.trim())) };
    case 'password':
      return { user: auth.user, pass: auth.password };
    case 'token':
      return { token: auth.token };
  }
}

/** Tells changes only: the client repeats itself with every attempt to reconnect. */
async function tellStates(nc: NatsConnection, tell: (state: NatsConnectionState) => void): Promise<void> {
  let connected = true;
  let lastError: string | undefined;
  tell({ kind: 'connected', server: nc.getServer() });
  for await (const status of nc.status()) {
    if (status.type === 'error') {
      const reason = natsReason(status.error);
      if (reason !== lastError) tell({ kind: 'error', reason });
      lastError = reason;
    } else if ((status.type === 'disconnect' && connected) || (status.type === 'reconnect' && !connected)) {
      connected = !connected;
      lastError = undefined;
      tell({ kind: connected ? 'connected' : 'disconnected', server: status.server });
    }
  }
  tell({ kind: 'closed' });
}

function withoutCredentials(server: string): string {
  return server.replace(/\/\/[^@/]*@/, '//');
}
