import type { QuarantineEntry } from '../domain/commands.ts';
import { usageFault } from './arguments.ts';
import { WAIT_FLAG, type Command, type CommandContext } from './command.ts';
import type { Exit } from './exit-codes.ts';
import { tellOutcome, withControl } from './outcome.ts';
import { parseTarget, shownTarget, waitOf } from './targets.ts';
import { oneLine } from './text.ts';

export const quarantine: Command = {
  name: 'quarantine',
  summary: 'List the documents that a follower refuses, or try them again.',
  usage: '<list|retry> [cluster:index[/shard]]',
  positionals: { min: 1, max: 2 },
  flags: [WAIT_FLAG],
  details:
    'A document that the follower refuses for ever (its mapping, its size) does not stop its shard: it is passed over and listed here until the leader changes or deletes it, or the follower takes it. They are tried again by themselves when the mapping or the settings of the follower change and when the pair starts; `retry` does so now, by reading them again from the leader. The beginning of their content is in the index `.slipstream_quarantine` of the follower cluster.',
  examples: [
    ['slipstream quarantine list', 'of everything that is followed'],
    ['slipstream quarantine retry tokyo:cities --wait 10s', 'after the reason was put right'],
  ],
  async run(context) {
    const [action, text] = context.args.positionals;
    if (action === 'list') return list(context, text);
    if (action === 'retry') return retry(context, text);
    throw usageFault('quarantine', `${action ?? ''}: expected list or retry`);
  },
};

async function list(context: CommandContext, text: string | undefined): Promise<Exit> {
  const target = text === undefined ? {} : parseTarget('quarantine', text);
  const documents = await withControl(context, ({ control }) => control.quarantine(target));
  context.answer({ documents });
  context.say(documents.length === 0 ? 'Nothing is in quarantine.\n' : documents.map(entryLines).join(''));
  return 'ok';
}

function entryLines({
  follower,
  shard,
  id,
  routing,
  seqNo,
  olderCopy,
  refusedAtMs,
  ...entry
}: QuarantineEntry): string {
  const parts = [
    shownTarget({ follower, shard }),
    oneLine(id),
    ...(routing === undefined ? [] : [`routing=${oneLine(routing)}`]),
    `leader_seq_no=${seqNo}`,
    olderCopy ? 'an older copy stays' : 'no copy',
    `refused=${entry.refusals}`,
    `last=${new Date(refusedAtMs).toISOString()}`,
  ];
  return `${parts.join('  ')}\n  ${entry.code}: ${oneLine(entry.reason)}\n`;
}

async function retry(context: CommandContext, text: string | undefined): Promise<Exit> {
  if (text === undefined) throw usageFault('quarantine', 'retry: expected cluster:index or cluster:index/shard');
  const target = parseTarget('quarantine', text);
  const waitMs = waitOf('quarantine', context.args);
  const { user } = context.deps;
  const result = await withControl(context, ({ control }) => control.retryQuarantine({ ...target, by: user, waitMs }));
  return tellOutcome(context, { verb: 'quarantine retry', target: shownTarget(target), waitMs, result });
}
