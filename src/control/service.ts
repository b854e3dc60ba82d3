import type { ControlSurface } from '../domain/commands.ts';
import { failed, failureOf } from '../domain/failure.ts';
import type { TraceRef } from '../domain/journal.ts';
import type {
  CommandAnswer,
  CommandHandler,
  CommandName,
  CommandRequest,
  TraceHeaders,
} from '../ports/command-transport.ts';
import type { Random } from '../ports/random.ts';
import { rememberAnswers } from './answers.ts';
import { listPage, MAX_PAGE_BYTES, statusPage } from './pages.ts';
import { statusOf, type WireReply } from './reply.ts';
import { invalid, parseCommand, type Command } from './schemas.ts';

export interface CommandServiceOptions {
  readonly surface: ControlSurface;
  readonly random: Random;
  /** Command ids whose answers are remembered. */
  readonly rememberedAnswers?: number | undefined;
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
  const answers = rememberAnswers<WireReply>({ limit: options.rememberedAnswers ?? 10_000, keep: isFinal });
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
      if (parsed.name === 'status' || parsed.name === 'list')
        return await query(surface, parsed, Math.min(MAX_PAGE_BYTES, request.maxReplyBytes) - FRAME_BYTES);
      const commandId = parsed.command.commandId ?? random.id();
      const identified: Mutation = { name: parsed.name, command: { ...parsed.command, commandId } } as Mutation;
      const answer = answers.once(commandId, canonicalJson(identified), () =>
        outcome(identified.name, () => mutate(surface, withRequest(identified, requestOf(request.trace)))),
      );
      if (answer === undefined) throw invalid(parsed.name, [`commandId: ${commandId} was used for another command`]);
      return await answer;
    } finally {
      inFlight -= 1;
    }
  };

  return async (request) => answerOf(request, await outcome(request.name, () => reply(request)));
}

type Mutation = Exclude<Command, { readonly name: 'status' | 'list' }>;
type Query = Extract<Command, { readonly name: 'status' | 'list' }>;

/** Whoever repeats a command may do so in another trace: it is the same command. */
function withRequest(mutation: Mutation, request: TraceRef | undefined): Mutation {
  if (request === undefined) return mutation;
  return { name: mutation.name, command: { ...mutation.command, request } } as Mutation;
}

async function mutate(surface: ControlSurface, { name, command }: Mutation): Promise<WireReply> {
  switch (name) {
    case 'follow':
      return { ok: true, result: await surface.follow(command) };
    case 'unfollow':
      return { ok: true, result: await surface.unfollow(command) };
    case 'pause':
      return { ok: true, result: await surface.pause(command) };
    case 'resume':
      return { ok: true, result: await surface.resume(command) };
  }
}

async function query(surface: ControlSurface, { name, command }: Query, maxBytes: number): Promise<WireReply> {
  const { cursor, ...rest } = command;
  const page =
    name === 'list'
      ? listPage(await surface.list(), cursor, maxBytes)
      : statusPage(await surface.status(rest), cursor, maxBytes);
  return page.next === undefined ? { ok: true, result: page.items } : { ok: true, result: page.items, next: page.next };
}

/** What is thrown, as a reply. */
async function outcome(name: CommandName, work: () => Promise<WireReply>): Promise<WireReply> {
  try {
    return await work();
  } catch (error) {
    return { ok: false, failure: failureOf(error, name) };
  }
}

function isFinal(reply: WireReply): boolean {
  if (reply.ok) return true;
  return (
    (reply.failure.kind === 'refused' || reply.failure.kind === 'fatal') &&
    reply.failure.code !== 'command_timeout' &&
    reply.failure.code !== 'bug'
  );
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
