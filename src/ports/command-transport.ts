import type { FollowerIndexRef } from '../domain/names.ts';

/**
 * How a command travels from who gives it to a supervisor: a name, one JSON text there, one JSON text back. What the texts say is
 * the business of `control`; how they travel, that of an adapter (NATS today).
 */
export const COMMAND_NAMES = [
  'follow',
  'unfollow',
  'pause',
  'resume',
  'quarantine-retry',
  'repair',
  'status',
  'list',
  'quarantine',
] as const;
export type CommandName = (typeof COMMAND_NAMES)[number];

/** W3C trace context of the caller: `traceparent` and `tracestate`, where there are any. */
export type TraceHeaders = ReadonlyMap<string, string>;

export interface CommandRequest {
  readonly name: CommandName;
  /** JSON, or empty for none. */
  readonly body: string;
  /** Where the address of the request names a target, what it names; the body then may not. */
  readonly target?: { readonly follower: FollowerIndexRef; readonly shard?: number } | undefined;
  readonly trace: TraceHeaders;
  /** The longest answer the transport can carry. */
  readonly maxReplyBytes: number;
  /** Of an answer that comes in pages, whoever asks wants at most this much at once. */
  readonly pageBytes?: number | undefined;
}

export interface CommandAnswer {
  /** JSON of a reply (`control/reply.ts`). */
  readonly body: string;
  /** In a refusal, what it says; adapters put it where their own tools look. Undefined: success. */
  readonly error: { readonly status: number; readonly text: string } | undefined;
}

/** Never rejects: every failure is an answer. */
export type CommandHandler = (request: CommandRequest) => Promise<CommandAnswer>;

export interface CommandRequestOptions {
  readonly timeoutMs: number;
  readonly trace: TraceHeaders;
  /** Pages of at most this; undefined: as large as the other side makes them. One of an older version may not heed it. */
  readonly pageBytes?: number | undefined;
}

/** The side that asks. Errors: `Failed` with `no_supervisor`, `command_timeout` or `journal_unreachable`. */
export interface CommandTransport {
  request(name: CommandName, body: string, options: CommandRequestOptions): Promise<string>;
}

export interface CommandServer {
  /** Takes no more commands, and resolves when those under way are answered. */
  stop(): Promise<void>;
}
