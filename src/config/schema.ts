import { z } from 'zod';
import { parametersSchema } from './follow-parameters.ts';
import { indexNameFault } from '../domain/index-name.ts';
import { CLUSTER_NAME, CLUSTER_NAME_RULE } from './cluster-name.ts';
import { address, always, caFile, oneOrMore, secret } from './fields.ts';
import { natsSchema } from './nats-schema.ts';
import { count, duration, size } from './quantities.ts';

const MiB = 1024 ** 2;
const indexName = z.string().superRefine((name, context) => {
  const fault = indexNameFault(name);
  if (fault !== undefined) context.addIssue(fault);
});

const auth = z
  .strictObject({
    apiKey: secret('API key in its encoded form.').exactOptional(),
    username: z
      .string()
      .min(1, { error: 'is empty' })
      .meta({ description: 'User of basic authentication.' })
      .exactOptional(),
    password: secret('Its password.').exactOptional(),
  })
  .superRefine((value, context) => {
    if (value.apiKey !== undefined && (value.username ?? value.password) !== undefined)
      context.addIssue('give apiKey, or username and password, not both');
    else if (value.apiKey === undefined && value.username === undefined && value.password === undefined)
      context.addIssue('give apiKey, or username and password');
    else if (value.apiKey === undefined && (value.username === undefined || value.password === undefined))
      context.addIssue('username and password belong together');
  }, always)
  .meta({ description: 'How to log in; absent: not at all.' });

const cluster = z.strictObject({
  url: oneOrMore(address(['http', 'https'], 'Address.')).meta({
    description: 'Address of a node, or a list of several.',
    shown: 'address or list',
  }),
  auth: auth.exactOptional(),
  caFile: caFile.exactOptional(),
  compression: z.boolean().default(false).meta({
    description: 'gzip for requests and answers: pays on links below some 20 MB/s, costs time on faster ones.',
  }),
  requestTimeoutMs: duration('A request that takes longer is given up.', { min: 1000, max: 600_000 }).prefault(30_000),
  maxConnections: count('Connections to this cluster at a time, at most.', { min: 1, max: 1024 }).prefault(16),
  readRateLimit: size('Bytes read from this cluster in a second, at most; absent: no limit.', {
    min: 64 * 1024,
    max: 1024 ** 4,
  }).exactOptional(),
});

const supervisor = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/, { error: 'expected A-Z, a-z, 0-9, _ and -' })
      .default('slipstream')
      .meta({ description: 'Name of this supervisor in logs, traces and answers.' }),
    bufferSize: size('Memory for documents on their way, shared by all pairs.', {
      min: MiB,
      max: 64 * 1024 * MiB,
    }).prefault('128mb'),
    bufferOperations: count('Documents on their way, shared by all pairs.', { min: 100, max: 10_000_000 }).prefault(
      100_000,
    ),
    pollIntervalMs: duration('Pause between two looks at a leader cluster where nothing changed.', {
      min: 10,
      max: 60_000,
    }).prefault(500),
    pollIntervalMaxMs: duration('The pause grows to this while nothing changes.', { min: 10, max: 600_000 }).prefault(
      1000,
    ),
    positionIntervalMs: duration('The position of a pair that moved is saved at most this often.', {
      min: 100,
      max: 60_000,
    }).prefault(2000),
    drainTimeoutMs: duration('Time to finish what was begun when asked to stop.', { min: 0, max: 600_000 }).prefault(
      20_000,
    ),
  })
  .superRefine((value, context) => {
    if (value.pollIntervalMaxMs < value.pollIntervalMs)
      context.addIssue({
        code: 'custom',
        path: ['pollIntervalMaxMs'],
        message: 'is below pollIntervalMs; raise it too',
      });
  }, always);

const journal = z.strictObject({
  historyAgeMs: duration('Older events go.', { min: 60_000, max: 3650 * 86_400_000 }).prefault('7d'),
  historyEvents: count('Events of one shard or index that stay, at most.', { min: 1, max: 1_000_000 }).prefault(1000),
});

const indexRef = (about: string) =>
  z
    .strictObject({
      cluster: z.string().meta({ description: 'Name of a cluster above.' }),
      index: indexName.meta({ description: 'Name of the index.' }),
    })
    .meta({ description: about });

const follow = z.strictObject({
  leader: indexRef('Index to copy from.'),
  follower: indexRef('Index to copy to.'),
  parameters: parametersSchema
    .prefault({})
    .meta({ description: 'Parameters of this follower, by the names under `defaults`.' }),
  settings: z
    .record(z.string(), z.unknown())
    .prefault({})
    .meta({ description: "Settings of the follower index that override the leader's.", shown: 'mapping' }),
});

const telemetry = z.strictObject({
  traces: z
    .strictObject({
      exporter: z
        .enum(['otlp', 'zipkin', 'none'])
        .default('otlp')
        .meta({ description: 'Protocol of the trace collector.' }),
      endpoint: address(
        ['http', 'https'],
        'Address of the collector; default: the usual one of the exporter on 127.0.0.1.',
      ).exactOptional(),
    })
    .prefault({})
    .meta({ description: 'Where traces go.' }),
  uiTraceUrl: z
    .string()
    .refine((text) => text.includes('{traceId}') && URL.parse(text) !== null, {
      error: 'expected an address that holds {traceId}',
    })
    .meta({ description: 'Address of a trace in the tracing UI, with `{traceId}` in place of its id; used for links.' })
    .exactOptional(),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .meta({ description: 'Least level that is logged.' }),
});

/** The configuration file, as written. */
export const fileSchema = z
  .strictObject({
    clusters: z.record(z.string(), cluster).prefault({}).meta({
      description: 'The clusters, by names of your choice (a-z, 0-9, _ and -). Needed by `start` and `verify` only.',
    }),
    nats: natsSchema.prefault({}).meta({
      description:
        'The NATS server that carries commands and keeps the journal. Without `servers` the supervisor runs one of its own on this machine.',
    }),
    supervisor: supervisor.prefault({}).meta({ description: 'The process that `slipstream start` runs.' }),
    journal: journal.prefault({}).meta({
      description: 'What stays of the history in the journal. The newest event of each shard and index always stays.',
    }),
    defaults: parametersSchema.prefault({}).meta({
      description:
        'Parameters of every follower that does not give its own. They are ceilings under the buffer of the supervisor.',
    }),
    follow: z.array(follow).prefault([]).meta({
      description:
        'Followed at start, if not followed yet. An entry waits, with back-off, for clusters that do not answer and for a leader index that is missing or closed; `status` and `list` show it with the reason.',
    }),
    telemetry: telemetry.prefault({}).meta({ description: 'Traces and logs.' }),
  })
  .superRefine((value, context) => {
    const names = typeof value.clusters === 'object' ? Object.keys(value.clusters) : [];
    for (const name of names)
      if (!CLUSTER_NAME.test(name))
        context.addIssue({ code: 'custom', path: ['clusters', name], message: CLUSTER_NAME_RULE });
    const taken = new Map<string, number>();
    for (const [at, entry] of (Array.isArray(value.follow) ? value.follow : []).entries()) {
      const { leader, follower } = entry ?? {};
      for (const [side, ref] of [
        ['leader', leader],
        ['follower', follower],
      ] as const)
        if (typeof ref?.cluster === 'string' && !names.includes(ref.cluster))
          context.addIssue({
            code: 'custom',
            path: ['follow', at, side, 'cluster'],
            message: 'names no cluster of this file',
            params: { unknown: ref.cluster, names },
          });
      if (follower === undefined) continue;
      const key = `${follower.cluster}:${follower.index}`;
      if (leader !== undefined && key === `${leader.cluster}:${leader.index}`)
        context.addIssue({ code: 'custom', path: ['follow', at], message: 'an index cannot follow itself' });
      const earlier = taken.get(key);
      if (earlier !== undefined)
        context.addIssue({
          code: 'custom',
          path: ['follow', at, 'follower'],
          message: `is the follower of follow[${earlier}] already`,
        });
      taken.set(key, at);
    }
  }, always);

export type ConfigFile = z.output<typeof fileSchema>;
