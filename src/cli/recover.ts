import type { RecoveredIndex, RecoveredPair } from '../actors/recovery.ts';
import type { Command } from './command.ts';
import { exitOf, exitOfSignal } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { failureLine } from './report.ts';
import { shownTarget } from './targets.ts';

const OUTCOMES = {
  sound: 'the journal fits',
  rebuilt: 'rebuilt',
  other: 'belongs to another journal',
  refused: 'left as it is',
} as const;

function pairLine({ shard, state, checkpoint, copiedAgain }: RecoveredPair): string {
  const how =
    copiedAgain !== undefined
      ? `copied again, in place, since ${copiedAgain}`
      : `goes on behind ${checkpoint ?? 'nothing'}`;
  return `  shard ${shard}  ${state}, ${how}\n`;
}

function indexLines({ follower, leader, journalId, outcome, failure, pairs }: RecoveredIndex, dryRun: boolean): string {
  const from = leader === undefined ? '' : ` from ${shownTarget({ follower: leader })}`;
  const done = outcome === 'rebuilt' && dryRun ? 'would be rebuilt' : OUTCOMES[outcome];
  const lost =
    outcome === 'other' ? `, ${journalId ?? ''}; if that is lost: slipstream recover --journal ${journalId ?? ''}` : '';
  const why = failure === undefined ? lost : `: ${failureLine(failure)}`;
  return `${shownTarget({ follower })}${from}  ${done}${why}\n${pairs.map(pairLine).join('')}`;
}

export const recover: Command = {
  name: 'recover',
  summary: 'Rebuild the journal from the followers, after the storage of NATS was lost or is older than they are.',
  usage: '',
  positionals: { min: 0, max: 0 },
  flags: [
    {
      name: 'journal',
      value: 'ID',
      about:
        'The journal that was lost. Followers of any other are left alone, since another supervisor may keep them.',
    },
    { name: 'dry-run', about: 'Tell what would be done, and change nothing.' },
  ],
  details:
    'Reads the marks in the mappings and the saved positions of all configured clusters. What the journal knows and the data agree on is left alone; everything else goes on from its saved position, or is copied again, in place, where that is void or missing. What was paused stays paused. Parameters come from the journal, if it still has them, else from the configuration. Stop the supervisor first. Safe to repeat.',
  examples: [
    ['slipstream recover --dry-run', 'what there is, and the id of the journal that it belongs to'],
    ['slipstream recover --journal 3f0c2a', 'after the storage of NATS was lost'],
    ['slipstream recover', 'after an older copy of the journal was put back'],
  ],
  async run(context) {
    const { args, deps, say, answer } = context;
    const dryRun = args.has('dry-run');
    const config = await context.config();
    using stop = interruption(deps);
    try {
      const report = await deps.recover(
        config,
        { dryRun, by: deps.user, lostJournalId: args.value('journal') },
        stop.signal,
      );
      answer(report);
      for (const index of report.indices) say(indexLines(index, dryRun));
      if (report.indices.length === 0) say('no follower was found\n');
      for (const { name, failure } of report.clusters) say(`cluster ${name} was not asked: ${failureLine(failure)}\n`);
      const [failure] = [...report.clusters, ...report.indices].flatMap((one) => one.failure ?? []);
      return failure === undefined ? 'ok' : exitOf(failure);
    } catch (error) {
      const by = stop.by();
      if (by !== undefined) return exitOfSignal(by);
      throw error;
    }
  },
};
