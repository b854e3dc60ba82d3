import { subjectToken } from '../domain/names.ts';
import { indexSubject, pairSubject } from '../domain/subjects.ts';
import { usageFault } from './arguments.ts';
import type { Command } from './command.ts';
import { eventLine } from './event-lines.ts';
import { exitOfSignal } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { history } from './journal-history.ts';
import { withControl } from './outcome.ts';
import { optionalTarget, shownTarget, type Target } from './targets.ts';
import { painter } from './text.ts';

function filtersOf({ follower, shard }: Partial<Target>): readonly string[] {
  if (follower === undefined) return ['>'];
  if (shard !== undefined) return [pairSubject({ follower, shard })];
  return [indexSubject(follower), `pair.${subjectToken(follower.cluster)}.${subjectToken(follower.index)}.*`];
}

export const events: Command = {
  name: 'events',
  summary: 'Show the history of a shard or an index from the journal.',
  usage: '[cluster:index[/shard]]',
  positionals: { min: 0, max: 1 },
  flags: [
    { name: 'follow', about: 'Go on with new events as they are appended, until Ctrl-C.' },
    { name: 'from', value: 'SEQ', about: 'Begin at this sequence number of the journal (default 1).' },
  ],
  details:
    'A line tells time, sequence, shard, transition, event, cause, who asked, trace id, and the failure if there is one. With --json each line is one JSON object: seq, subject, event.',
  examples: [
    ['slipstream events tokyo:cities/1', 'everything that happened to one shard'],
    ['slipstream events --follow --json', 'everything from now on too, for a program'],
  ],
  run(context) {
    const { args, deps, json } = context;
    const target = optionalTarget('events', args);
    const filters = filtersOf(target);
    const { follower, shard } = target;
    const of =
      follower === undefined ? '' : ` of ${shownTarget({ follower, ...(shard === undefined ? {} : { shard }) })}`;
    const from = args.value('from') ?? '1';
    if (!/^[1-9]\d{0,14}$/.test(from))
      throw usageFault('events', `--from ${from}: expected a sequence number from 1 on`);
    const paint = painter(deps);
    return withControl(context, async ({ journal }) => {
      using stop = interruption(deps);
      let told = 0;
      try {
        for await (const stored of history(
          journal,
          filters,
          { fromSeq: Number(from), follow: args.has('follow') },
          stop.signal,
        )) {
          deps.stdout.write(`${json ? JSON.stringify(stored) : eventLine(stored, paint)}\n`);
          told += 1;
          if (stop.signal.aborted) break;
        }
        if (told === 0 && !stop.signal.aborted) deps.stderr.write(`slipstream: no events${of} in the journal\n`);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      }
      const by = stop.by();
      return by === undefined ? 'ok' : exitOfSignal(by);
    });
  },
};
