import type { NatsConnection } from '@nats-io/nats-core';
import type { NatsConfig } from '../config/config.ts';
import { failed } from '../domain/failure.ts';
import { connectNats, type NatsAuth, type NatsConnectOptions, type NatsTls } from '../infra/nats/connect.ts';
import { readOwnConnection } from '../infra/nats/data-folder.ts';
import { ensureReplicas } from '../infra/nats/replicas.ts';
import type { Narrator } from '../ports/narrator.ts';

/** To the servers of the configuration, else to the one that a supervisor on this machine runs; `no_supervisor` when none has run yet. */
export async function connectConfigured(
  nats: NatsConfig,
  name: string,
  onState?: NatsConnectOptions['onState'],
): Promise<NatsConnection> {
  return connectNats({ ...(await placeOf(nats)), name, onState });
}

async function placeOf(nats: NatsConfig): Promise<Pick<NatsConnectOptions, 'servers' | 'auth' | 'tls' | 'serverName'>> {
  if (nats.own === undefined) return { servers: nats.servers, auth: natsAuth(nats), tls: natsTls(nats) };
  const connection = await readOwnConnection(nats.own.dataFolder);
  if (connection === undefined)
    throw failed('no_supervisor', {
      op: 'connect to NATS',
      reason: `nats.servers is not given, and no supervisor with a NATS server of its own has run with the data folder ${nats.own.dataFolder}`,
      hint: 'Start one (slipstream start), name its nats.dataFolder, or give nats.servers.',
    });
  const { url, seed, serverName } = connection;
  return { servers: [url], auth: { kind: 'nkey', seed }, serverName };
}

function natsTls({ caPem, certPem, keyPem, tlsFirst }: NatsConfig): NatsTls | undefined {
  const tls: NatsTls = {
    ...(caPem === undefined ? {} : { ca: caPem }),
    ...(certPem === undefined ? {} : { cert: certPem }),
    ...(keyPem === undefined ? {} : { key: keyPem }),
    ...(tlsFirst === undefined ? {} : { handshakeFirst: tlsFirst }),
  };
  return Object.keys(tls).length === 0 ? undefined : tls;
}

function natsAuth({ auth }: NatsConfig): NatsAuth | undefined {
  switch (auth.kind) {
    case 'none':
      return undefined;
    case 'credentials':
      return { kind: 'credentials', contents: auth.credentials };
    case 'nkey':
      return { kind: 'nkey', seed: auth.seed };
    case 'userPassword':
      return { kind: 'password', user: auth.user, password: auth.password };
    case 'token':
      return { kind: 'token', token: auth.token };
  }
}

/** Subjects of the journal stand beside those of the commands, under the same prefix. */
export function journalNames(nats: NatsConfig): { stream: string; prefix: string } {
  return { stream: nats.stream, prefix: `${nats.subjectPrefix}.journal` };
}

/** Gives the journal its replicas, and tells where a cluster does not allow them. */
export async function copyJournal(nc: NatsConnection, nats: NatsConfig, narrator: Narrator): Promise<void> {
  const { stream, replicas: configured } = nats;
  const { replicas, refusal } = await ensureReplicas(nc, { stream, configured });
  if (refusal !== undefined)
    narrator.log('warn', 'the NATS cluster does not allow three copies of the journal', { replicas, reason: refusal });
}

/** Who owns what: another stream, beside the journal's. */
export function leaseNames(nats: NatsConfig): { stream: string; prefix: string } {
  return { stream: nats.stream, prefix: `${nats.subjectPrefix}.leases` };
}

/** Answers to commands: another stream, beside the journal's. */
export function answerNames(nats: NatsConfig): { stream: string; prefix: string } {
  return { stream: nats.stream, prefix: `${nats.subjectPrefix}.answers` };
}
