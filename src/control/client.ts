import type {
  CommandOptions,
  CommandResult,
  ControlSurface,
  IndexStatus,
  QuarantineEntry,
  RepairResult,
} from '../domain/commands.ts';
import { Failed } from '../domain/failure.ts';
import type { Clock } from '../ports/clock.ts';
import type { CommandName, CommandTransport, TraceHeaders } from '../ports/command-transport.ts';
import type { Random } from '../ports/random.ts';
import { joinStatus } from './pages.ts';
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
export function commandClient(options: CommandClientOptions): ControlSurface {
  const { transport, clock, random, by, timeoutMs = 10_000, supervisorWaitMs = 0, trace = () => new Map() } = options;

  const ask = async (
    name: CommandName,
    body: object,
    waitMs: number,
  ): Promise<{ result: unknown; next: string | undefined }> => {
    const text = JSON.stringify(body);
    const giveUpAtMs = clock.monotonic() + supervisorWaitMs;
    for (;;) {
      try {
        const reply = parseReply(
          name,
          await transport.request(name, text, { timeoutMs: timeoutMs + waitMs, trace: trace() }),
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
    const { result, next: second } = await ask(name, identified, given.waitMs ?? 0);
    const first = result as CommandResult;
    const pairs = [...first.pairs];
    for (let cursor = second; cursor !== undefined;) {
      const { result: more, next } = await ask(name, { ...identified, cursor }, 0);
      pairs.push(...(more as CommandResult).pairs);
      cursor = next;
    }
    return { ...first, pairs };
  };

  const pages = async (name: 'status' | 'list' | 'quarantine', query: object): Promise<readonly unknown[]> => {
    const all: unknown[] = [];
    let cursor: string | undefined;
    do {
      const { result, next } = await ask(name, cursor === undefined ? query : { ...query, cursor }, 0);
      all.push(result);
      cursor = next;
    } while (cursor !== undefined);
    return all;
  };

  return {
    follow: (given) => command('follow', given),
    unfollow: (given) => command('unfollow', given),
    pause: (given) => command('pause', given),
    resume: (given) => command('resume', given),
    retryQuarantine: (given) => command('quarantine-retry', given),
    repair: async (given) => (await command('repair', given)) as RepairResult,
    quarantine: async (query) => ((await pages('quarantine', query)) as QuarantineEntry[][]).flat(),
    status: async (query) => joinStatus((await pages('status', query)) as IndexStatus[][]),
    list: async () => ((await pages('list', {})) as Omit<IndexStatus, 'pairs'>[][]).flat(),
  };
}
