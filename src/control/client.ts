import type {
  CommandOptions,
  CommandResult,
  ControlSurface,
  IndexStatus,
  ListedIndex,
  Page,
  PageWanted,
  QuarantineEntry,
  QueryPages,
  RepairResult,
  ServedSurface,
} from '../domain/commands.ts';
import { Failed } from '../domain/failure.ts';
import { wholeQueries } from '../domain/pages.ts';
import type { Clock } from '../ports/clock.ts';
import type { CommandName, CommandTransport, TraceHeaders } from '../ports/command-transport.ts';
import type { Random } from '../ports/random.ts';
import { parseReply } from './reply.ts';

export interface CommandClientOptions {
  readonly transport: CommandTransport;
  readonly clock: Clock;
  readonly random: Random;
  /** Who asks, for the journal, where a command does not say. */
  readonly by?: string | undefined;
  /** For an answer, beyond the `waitMs` of the command itself. */
  readonly timeoutMs?: number | undefined;
  /** How long to wait for a supervisor that is not there yet; 0: not at all. */
  readonly supervisorWaitMs?: number | undefined;
  /** Trace context of the caller, if any. */
  readonly trace?: (() => TraceHeaders) | undefined;
}

const ASK_AGAIN_MS = 200;

/**
 * The control surface of a supervisor somewhere else. Every command gets an id before it is sent, so asking again is safe. Throws what the
 * supervisor refused with, and `no_supervisor`, `command_timeout` or `journal_unreachable` when there is no answer.
 */
export function commandClient(options: CommandClientOptions): ControlSurface & ServedSurface {
  const { transport, clock, random, by, timeoutMs = 10_000, supervisorWaitMs = 0, trace = () => new Map() } = options;

  const ask = async (
    name: CommandName,
    body: object,
    { waitMs = 0, pageBytes }: { readonly waitMs?: number | undefined; readonly pageBytes?: number | undefined } = {},
  ): Promise<{ result: unknown; next: string | undefined }> => {
    const text = JSON.stringify(body);
    const giveUpAtMs = clock.monotonic() + supervisorWaitMs;
    for (;;) {
      try {
        const reply = parseReply(
          name,
          await transport.request(name, text, { timeoutMs: timeoutMs + waitMs, trace: trace(), pageBytes }),
        );
        if (!reply.ok) throw new Failed(reply.failure);
        return { result: reply.result, next: reply.next };
      } catch (error) {
        const missing = error instanceof Failed && error.failure.code === 'no_supervisor';
        if (!missing || clock.monotonic() >= giveUpAtMs) throw error;
        await clock.sleep(ASK_AGAIN_MS);
      }
    }
  };

  const command = async (name: CommandName, given: CommandOptions): Promise<CommandResult> => {
    const identified = { ...(by === undefined ? {} : { by }), commandId: random.id(), ...given };
    const { result, next: second } = await ask(name, identified, { waitMs: given.waitMs });
    const first = result as CommandResult;
    const pairs = [...first.pairs];
    for (let cursor = second; cursor !== undefined;) {
      const { result: more, next } = await ask(name, { ...identified, cursor });
      pairs.push(...(more as CommandResult).pairs);
      cursor = next;
    }
    return { ...first, pairs };
  };

  const page = async <T>(name: keyof QueryPages, query: object, wanted: PageWanted): Promise<Page<T>> => {
    const { cursor, maxBytes } = wanted;
    const pageBytes = Number.isFinite(maxBytes) ? maxBytes : undefined;
    const { result, next } = await ask(name, cursor === undefined ? query : { ...query, cursor }, { pageBytes });
    return { items: result as readonly T[], next };
  };
  const pages: QueryPages = {
    status: (query, wanted) => page<IndexStatus>('status', query, wanted),
    quarantine: (query, wanted) => page<QuarantineEntry>('quarantine', query, wanted),
    list: (wanted) => page<ListedIndex>('list', {}, wanted),
  };

  return {
    follow: (given) => command('follow', given),
    unfollow: (given) => command('unfollow', given),
    pause: (given) => command('pause', given),
    resume: (given) => command('resume', given),
    retryQuarantine: (given) => command('quarantine-retry', given),
    repair: async (given) => (await command('repair', given)) as RepairResult,
    pages,
    ...wholeQueries(pages),
  };
}
