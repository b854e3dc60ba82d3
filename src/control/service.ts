import type { CommandResult, Commands, QueryPages, ServedSurface } from '../domain/commands.ts';
import { failed, failureOf, type Failure } from '../domain/failure.ts';
import type { TraceRef } from '../domain/journal.ts';
import type {
  CommandAnswer,
  CommandHandler,
  CommandName,
  CommandRequest,
  TraceHeaders,
} from '../ports/command-transport.ts';
import type { AnswerStore } from '../ports/answer-store.ts';
import type { Random } from '../ports/random.ts';
import { answerOnce } from './answers.ts';
import { MAX_PAGE_BYTES, resultPages } from './pages.ts';
import { statusOf, type WireReply } from './reply.ts';
import { invalid, parseCommand, type Command } from './schemas.ts';

export interface CommandServiceOptions {
  readonly surface: ServedSurface;
  readonly random: Random;
  readonly answers: AnswerStore;
  /** Told of an answer that could not be kept. */
  readonly onAnswerLost?: ((thrown: unknown) => void) | undefined;
  /** Commands under way at once; more are refused. */
  readonly maxInFlight?: number | undefined;
  /** Reads the caller's trace context; undefined where there is none. */
  readonly requestOf?: ((trace: TraceHeaders) => TraceRef | undefined) | undefined;
}

/** Room in a page for what stands around the items. */
const FRAME_BYTES = 4 * 1024;

/**
 * Checks, runs and answers commands, whatever transport brings them. A command without an id gets one; one that is repeated by its id
 * gets the first answer, unless that was one that asks to be repeated (transient, conflict, timeout, defect).
 */
export function commandService(options: CommandServiceOptions): CommandHandler {
  const { surface, random, requestOf = () => undefined, maxInFlight = 1_000 } = options;
  const once = answerOnce(options.answers, options.onAnswerLost ?? (() => undefined));
  let inFlight = 0;

  const reply = async (request: CommandRequest): Promise<WireReply> => {
    if (inFlight >= maxInFlight)
      throw failed('command_timeout', {
        op: request.name,
        reason: `${inFlight} commands are under way already`,
        hint: 'Repeat it later: repeating is safe.',
      });
    inFlight += 1;
    try {
      const parsed = parseCommand(request);
      if (parsed.name === 'status' || parsed.name === 'list' || parsed.name === 'quarantine')
        return await query(surface.pages, parsed, pageBytes(request));
      const { cursor = '0', ...command } = parsed.command;
      const commandId = command.commandId ?? random.id();
      const mutation = { name: parsed.name, command: { ...command, commandId } } as Mutation;
      const asked = { id: commandId, command: canonicalJson(mutation), page: Number(cursor) };
      const given = await once(asked, async (begunAtMs) => {
        const more = { request: requestOf(request.trace), begunAtMs };
        const replies = await outcomePages(
          mutation.name,
          () => mutate(surface, told(mutation, more)),
          pageBytes(request),
        );
        return { pages: replies.map((one) => JSON.stringify(one)), final: replies.every(isFinal) };
      });
      switch (given.kind) {
        case 'page':
          return JSON.parse(given.text) as WireReply;
        case 'another':
          throw invalid(parsed.name, [`commandId: ${commandId} was used for another command`]);
        case 'missing':
          throw invalid(parsed.name, [`cursor: there is no page ${cursor} of an answer to ${commandId}`]);
      }
    } finally {
      inFlight -= 1;
    }
  };

  return async (request) => answerOf(request, await outcome(request.name, () => reply(request)));
}

type QueryName = 'status' | 'list' | 'quarantine';
type Mutation = Exclude<Command, { readonly name: QueryName }>;
type Query = Extract<Command, { readonly name: QueryName }>;

function pageBytes({ maxReplyBytes, pageBytes: wanted = MAX_PAGE_BYTES }: CommandRequest): number {
  return Math.min(wanted, Math.min(MAX_PAGE_BYTES, maxReplyBytes) - FRAME_BYTES);
}

/** With what is not part of the command: whoever repeats it may do so in another trace. */
function told(
  { name, command }: Mutation,
  { request, begunAtMs }: { request: TraceRef | undefined; begunAtMs: number | undefined },
): Mutation {
  const more = {
    ...(request === undefined ? {} : { request }),
    ...(begunAtMs === undefined ? {} : { begunAtMs }),
  };
  return { name, command: { ...command, ...more } } as Mutation;
}

async function mutate(surface: Commands, { name, command }: Mutation): Promise<CommandResult> {
  switch (name) {
    case 'follow':
      return surface.follow(command);
    case 'unfollow':
      return surface.unfollow(command);
    case 'pause':
      return surface.pause(command);
    case 'resume':
      return surface.resume(command);
    case 'quarantine-retry':
      return surface.retryQuarantine(command);
    case 'repair':
      return surface.repair(command);
  }
}

async function outcomePages(
  name: CommandName,
  work: () => Promise<CommandResult>,
  maxBytes: number,
): Promise<readonly WireReply[]> {
  try {
    return resultPages(await work(), maxBytes).map(({ items: [result], next }) =>
      next === undefined ? { ok: true, result } : { ok: true, result, next },
    );
  } catch (error) {
    return [{ ok: false, failure: failureOf(error, name) }];
  }
}

async function query(pages: QueryPages, { name, command }: Query, maxBytes: number): Promise<WireReply> {
  const { cursor, ...rest } = command;
  const wanted = { cursor, maxBytes };
  const { items: result, next } =
    name === 'list'
      ? await pages.list(wanted)
      : name === 'quarantine'
        ? await pages.quarantine(rest, wanted)
        : await pages.status(rest, wanted);
  return next === undefined ? { ok: true, result } : { ok: true, result, next };
}

/** What is thrown, as a reply. */
async function outcome(name: CommandName, work: () => Promise<WireReply>): Promise<WireReply> {
  try {
    return await work();
  } catch (error) {
    return { ok: false, failure: failureOf(error, name) };
  }
}

/** Not what asks to be repeated. */
function isFinal(reply: WireReply): boolean {
  if (!reply.ok) return isLasting(reply.failure);
  const { pairs } = reply.result as CommandResult;
  return pairs.every(({ accepted, failure }) => accepted || failure === undefined || isLasting(failure));
}

function isLasting({ kind, code }: Failure): boolean {
  return (kind === 'refused' || kind === 'fatal') && code !== 'command_timeout' && code !== 'bug';
}

function answerOf({ name, maxReplyBytes }: CommandRequest, reply: WireReply): CommandAnswer {
  const body = JSON.stringify(reply);
  const sizeBytes = new TextEncoder().encode(body).length;
  if (sizeBytes > maxReplyBytes) {
    const reason = `the answer has ${sizeBytes} bytes, and one message carries ${maxReplyBytes}; the command itself was carried out`;
    const failure = failed('unexpected_answer', {
      op: name,
      reason,
      hint: 'Raise max_payload of the NATS server, or ask for less.',
    }).failure;
    return {
      body: JSON.stringify({ ok: false, failure } satisfies WireReply),
      error: { status: statusOf(failure), text: reason },
    };
  }
  return {
    body,
    error: reply.ok
      ? undefined
      : { status: statusOf(reply.failure), text: `${reply.failure.code}: ${reply.failure.reason}` },
  };
}

/** The same text for the same command, whatever the order of its keys. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
