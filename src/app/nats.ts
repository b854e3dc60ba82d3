import type { NatsConnection } from '@nats-io/nats-core';
import type { NatsConfig } from '../config/config.ts';
import { connectNats, type NatsAuth, type NatsConnectionState } from '../infra/nats/connect.ts';

export async function connectConfigured(
  nats: NatsConfig,
  name: string,
  onState?: (state: NatsConnectionState) => void,
): Promise<NatsConnection> {
  return connectNats({
    servers: nats.servers,
    name,
    auth: natsAuth(nats),
    ...(nats.caPem === undefined ? {} : { tls: { ca: nats.caPem } }),
    ...(onState === undefined ? {} : { onState }),
  });
}

function natsAuth({ auth }: NatsConfig): NatsAuth | undefined {
  switch (auth.kind) {
    case 'none':
      return undefined;
    case 'credentials':
      return { kind: 'credentials', contents: auth.credentials };
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

/** Answers to commands: another stream, beside the journal's. */
export function answerNames(nats: NatsConfig): { stream: string; prefix: string } {
  return { stream: nats.stream, prefix: `${nats.subjectPrefix}.answers` };
}
