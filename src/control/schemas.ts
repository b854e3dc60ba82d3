import { z } from 'zod';
import type {
  FollowCommand,
  QuarantineQuery,
  RepairCommand,
  ResumeCommand,
  StatusQuery,
  TargetCommand,
} from '../domain/commands.ts';
import { failed } from '../domain/failure.ts';
import { readOverrides, SHARDS_KEY, SHARDS_MAX } from '../domain/index-spec/setting-values.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import type { CommandName } from '../ports/command-transport.ts';
import { indexNameFault, indexPatternFault } from '../domain/index-name.ts';

/** An answer comes at the latest after this; longer waits ask `status`. */
export const MAX_WAIT_MS = 600_000;

/** More documents go into several commands. */
export const REPAIR_DOCUMENTS_MAX = 500;

const clusterName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,63}$/,
    'must consist of a-z, 0-9, _ and -, begin with a letter or digit, and have at most 64 characters',
  )
  .describe('A cluster of the configuration');

const indexName = z
  .string()
  .superRefine((name, context) => {
    const fault = indexNameFault(name);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  })
  .describe('The name of one index');

const indexPattern = z
  .string()
  .superRefine((name, context) => {
    const fault = indexPatternFault(name);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  })
  .describe('The name of one index, or of several: * stands for any characters');

const indexRef = z.strictObject({ cluster: clusterName, index: indexName });
const shard = z.int().min(0).max(1023).describe('A shard number of the leader; absent: every shard');

const count = z.int().min(1).max(2_147_483_647);
const requests = z.int().min(1).max(1_024);
const sizeBytes = z.int().min(1);
const HOUR_MS = 3_600_000;
const share = z.number().min(0).max(1);

/** Bounds are those of Elastic's cross-cluster replication where the parameter is one of its ten. */
export const followParameters = z.strictObject({
  max_read_request_operation_count: count,
  max_read_request_size_bytes: sizeBytes.max(1024 ** 3),
  max_outstanding_read_requests: requests,
  max_write_request_operation_count: count,
  max_write_request_size_bytes: sizeBytes,
  max_outstanding_write_requests: requests,
  max_write_buffer_count: count,
  max_write_buffer_size_bytes: sizeBytes,
  max_retry_delay_ms: z.int().min(1).max(300_000),
  read_poll_timeout_ms: z.int().min(1).max(HOUR_MS),
  on_missing_history: z.enum(['rebootstrap', 'fail']),
  mass_delete_share: share,
  refresh_interval_min_ms: z.int().min(0).max(HOUR_MS),
  scan_share: share.min(0.0001),
  on_divergence: z.enum(['repair', 'fail']),
  on_document_rejected: z.enum(['quarantine', 'fail']),
  quarantine_max_documents: z.int().min(1).max(10_000),
  quarantine_content_bytes: z
    .int()
    .min(0)
    .max(1024 ** 2),
}) satisfies z.ZodType<FollowParameters>;

const answerPage = z
  .string()
  .regex(/^\d{1,6}$/)
  .optional()
  .describe('With the commandId of a command that was answered: the `next` of the answer before');

const options = {
  cursor: answerPage,
  commandId: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe('Repeating a command with its id gives the first answer again'),
  by: z.string().min(1).max(256).optional().describe('Who asks, for the journal'),
  waitMs: z
    .int()
    .min(0)
    .max(MAX_WAIT_MS)
    .optional()
    .describe('Answer when effective, at the latest after this time; 0: when accepted'),
};

const indices = z.strictObject({ cluster: clusterName, index: indexPattern });
const target = { follower: indices, shard: shard.optional() };
const cursor = z.string().max(1_024).optional().describe('The `next` of the answer before');

const follow = z
  .strictObject({
    ...options,
    leader: indexRef,
    follower: indexRef,
    parameters: followParameters.partial().optional(),
    shards: z
      .int()
      .min(1)
      .max(SHARDS_MAX)
      .optional()
      .describe("Number of primary shards of the follower index, if not the leader's"),
    settings: z.record(z.string(), z.unknown()).optional(),
  })
  .refine(({ shards, settings = {} }) => shards === undefined || !(SHARDS_KEY in readOverrides(settings).settings), {
    path: ['shards'],
    message: `is given in settings, too (${SHARDS_KEY})`,
  });
const pause = z.strictObject({ ...options, ...target });
const unfollow = z.strictObject({ ...options, follower: indexRef });
const resume = z.strictObject({
  ...options,
  ...target,
  rebootstrap: z.boolean().optional(),
  allowMassDelete: z.boolean().optional(),
});
const repair = z.strictObject({
  ...options,
  follower: indexRef,
  documents: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(512),
        routing: z.string().min(1).optional(),
        shard: shard.optional().describe('The shard of the leader that has or had it; absent: not known'),
      }),
    )
    .min(1)
    .max(REPAIR_DOCUMENTS_MAX)
    .describe('What a comparison found to differ'),
});
const status = z
  .strictObject({ follower: indices.optional(), shard: shard.optional(), cursor })
  .refine((query) => query.shard === undefined || query.follower !== undefined, {
    path: ['follower'],
    message: 'is needed when shard is given',
  });
const list = z.strictObject({ cursor });

export const COMMAND_SCHEMAS = {
  follow,
  unfollow,
  pause,
  resume,
  'quarantine-retry': pause,
  repair,
  status,
  list,
  quarantine: status,
} as const satisfies Record<CommandName, z.ZodType>;

type Paged<T> = T & { readonly cursor?: string };

/** A command as it was checked. */
export type Command =
  | { readonly name: 'follow'; readonly command: Paged<FollowCommand> }
  | { readonly name: 'unfollow' | 'pause' | 'quarantine-retry'; readonly command: Paged<TargetCommand> }
  | { readonly name: 'repair'; readonly command: Paged<RepairCommand> }
  | { readonly name: 'resume'; readonly command: Paged<ResumeCommand> }
  | { readonly name: 'status'; readonly command: Paged<StatusQuery> }
  | { readonly name: 'quarantine'; readonly command: Paged<QuarantineQuery> }
  | { readonly name: 'list'; readonly command: Paged<object> };

export interface RawCommand {
  readonly name: CommandName;
  /** JSON object; empty for none. */
  readonly body: string;
  /** Named by the address of the request, so that the body may not. */
  readonly target?: object | undefined;
}

/** Throws `invalid_command` that names every fault with its path. */
export function parseCommand({ name, body, target: addressed }: RawCommand): Command {
  const json = parseBody(name, body);
  const twice = Object.keys(addressed ?? {}).filter((key) => key in json);
  if (twice.length > 0)
    throw invalid(
      name,
      twice.map((key) => `${key}: is named by the subject already`),
    );
  const checked = COMMAND_SCHEMAS[name].safeParse({ ...json, ...addressed });
  if (!checked.success) throw invalid(name, checked.error.issues.map(faultOf));
  // The schema of each name gives the type that stands beside it in `Command`, undefined keys being absent after JSON.
  return { name, command: withoutShards(checked.data) } as Command;
}

/** The number of shards is a setting by a shorter name. */
function withoutShards(command: object & { shards?: number | undefined; settings?: object | undefined }): object {
  const { shards, ...rest } = command;
  return shards === undefined ? rest : { ...rest, settings: { ...rest.settings, [SHARDS_KEY]: shards } };
}

function parseBody(name: CommandName, body: string): Record<string, unknown> {
  if (body.trim() === '') return {};
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (error) {
    throw invalid(name, [`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`]);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw invalid(name, ['the body must be a JSON object']);
  return { ...json };
}

function faultOf(issue: z.core.$ZodIssue): string {
  const message = issue.code === 'invalid_type' ? typeFault(issue) : issue.message;
  return issue.path.length === 0 ? message : `${issue.path.join('.')}: ${message}`;
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'a JSON object',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

/** The library's own words name types of JavaScript. */
function typeFault({ expected, message }: z.core.$ZodIssueInvalidType): string {
  return message.endsWith('received undefined') ? 'is missing' : `must be ${TYPES[expected] ?? expected}`;
}

export function invalid(name: CommandName, faults: readonly string[]): Error {
  return failed('invalid_command', { op: name, reason: faults.join('; ') });
}

/** JSON Schema of each command's body, for those who discover the service. */
export function commandJsonSchemas(): Readonly<Record<CommandName, string>> {
  const schema = (name: CommandName): string => JSON.stringify(z.toJSONSchema(COMMAND_SCHEMAS[name]));
  return {
    follow: schema('follow'),
    unfollow: schema('unfollow'),
    pause: schema('pause'),
    resume: schema('resume'),
    'quarantine-retry': schema('quarantine-retry'),
    repair: schema('repair'),
    status: schema('status'),
    list: schema('list'),
    quarantine: schema('quarantine'),
  };
}
