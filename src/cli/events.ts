import { parseDuration } from '../config/units.ts';
import { subjectToken } from '../domain/names.ts';
import { indexSubject, pairSubject } from '../domain/subjects.ts';
import { usageFault } from './arguments.ts';
import type { Arguments, Command } from './command.ts';
import { eventLine } from './event-lines.ts';
import { exitOfSignal } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { history } from './journal-history.ts';
import { withControl } from './outcome.ts';
import { optionalTarget, parseTarget, shownTarget, type Target } from './targets.ts';
import { painter } from './text.ts';

function filtersOf({ follower, shard }: Partial<Target>): readonly string[] {
  if (follower === undefined) return ['>'];
  if (shard !== undefined) return [pairSubject({ follower, shard })];
  return [indexSubject(follower), `pair.${subjectToken(follower.cluster)}.${subjectToken(follower.index)}.*`];
}

/** `--shard` beside `cluster:index`. */
function shardOf(args: Arguments): Partial<Target> {
  const target = optionalTarget('events', args);
  const shard = args.value('shard');
  if (shard === undefined) return target;
  if (target.follower === undefined || target.shard !== undefined)
    throw usageFault('events', `--shard ${shard}: goes with cluster:index`);
  return parseTarget('events', `${shownTarget({ follower: target.follower })}/${shard}`);
}

/** A bare number is a sequence, everything else a time. */
function sinceOf(text: string | undefined, nowMs: number): { fromSeq: number; fromTimeMs?: number } {
  if (text === undefined) return { fromSeq: 1 };
  if (/^[1-9]\d{0,14}$/.test(text)) return { fromSeq: Number(text) };
  const agoMs = /[a-z]$/i.test(text) ? parseDuration(text) : undefined;
  const fromTimeMs = agoMs === undefined ? Date.parse(text) : nowMs - agoMs;
  if (/^\d+$/.test(text) || Number.isNaN(fromTimeMs))
    throw usageFault(
      'events',
      `--since ${text}: expected a sequence number from 1 on, a time such as 2026-05-01T12:00:00Z, or one such as 2h`,
    );
  return { fromSeq: 1, fromTimeMs };
}

export const events: Command = {
  name: 'events',
  summary: 'Show the history of a shard or an index from the journal.',
  usage: '[cluster:index[/shard]]',
  positionals: { min: 0, max: 1 },
  flags: [
    { name: 'follow', about: 'Go on with new events as they are appended, until Ctrl-C.' },
    { name: 'shard', value: 'N', about: 'Only this shard; the same as cluster:index/N.' },
    {
      name: 'since',
      value: 'SEQ|TIME',
      about:
        'Begin at this sequence number of the journal (default 1), or at a time: 2026-05-01T12:00:00Z, or 2h for two hours ago.',
    },
  ],
  details:
    'A line tells time, sequence, shard, transition, event, cause, who asked, trace id, and the failure if there is one. With --json each line is one JSON object: seq, subject, event.',
  examples: [
    ['slipstream events tokyo:cities/1', 'everything that happened to one shard'],
    ['slipstream events tokyo:cities --since 2h --follow', 'the last two hours of an index, and what comes'],
    ['slipstream events --follow --json', 'everything from now on too, for a program'],
  ],
  run(context) {
    const { args, deps, json } = context;
    const target = shardOf(args);
    const filters = filtersOf(target);
    const { follower, shard } = target;
    const of =
      follower === undefined ? '' : ` of ${shownTarget({ follower, ...(shard === undefined ? {} : { shard }) })}`;
    const since = sinceOf(args.value('since'), deps.now());
    const paint = painter(deps);
    return withControl(context, async ({ journal }) => {
      using stop = interruption(deps);
      let told = 0;
      try {
        for await (const stored of history(journal, filters, { ...since, follow: args.has('follow') }, stop.signal)) {
          deps.stdout.write(`${json ? JSON.stringify(stored) : eventLine(stored, paint)}\n`);
          told += 1;
          if (stop.signal.aborted) break;
        }
        if (told === 0 && !stop.signal.aborted)
          deps.stderr.write(`slipstream: no events${of} in the journal${args.has('since') ? ' since then' : ''}\n`);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      }
      const by = stop.by();
      return by === undefined ? 'ok' : exitOfSignal(by);
    });
  },
};
