import { Failed } from '../domain/failure.ts';
import { SAMPLES_MAX } from '../replication/verify/report.ts';
import { usageFault } from './arguments.ts';
import type { Command, CommandContext } from './command.ts';
import { exitOfSignal } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { parseIndex } from './targets.ts';
import { PATIENCE, progressLine } from './verify-progress.ts';
import { verifyText } from './verify-view.ts';

const SAMPLES = 10;
const EXITS = { equal: 'ok', different: 'different', undecided: 'notCompared' } as const;

function samplesOf({ args }: CommandContext): number {
  const text = args.value('samples') ?? String(SAMPLES);
  if (!/^\d{1,3}$/.test(text) || Number(text) > SAMPLES_MAX)
    throw usageFault('verify', `--samples ${text}: expected a whole number up to ${SAMPLES_MAX}`);
  return Number(text);
}

export const verify: Command = {
  name: 'verify',
  summary: 'Compare both sides of an index, document by document.',
  usage: '<cluster:index>',
  positionals: { min: 1, max: 1 },
  flags: [
    { name: 'content', about: 'Compare the content (`_source`) too, not identities alone.' },
    {
      name: 'samples',
      value: 'N',
      about: `Documents to name of each kind of difference, at most (default ${SAMPLES}, up to ${SAMPLES_MAX}).`,
    },
  ],
  details: `Works while writes go on: it compares at a checkpoint, and looks again at what changed meanwhile. Missing: on the leader alone. Extra: on the follower alone. Foreign: on the follower, not written by this replication. Quarantined: refused by the follower, and known to be; the sides differ all the same. Undecided: changed too often to be compared; if nothing differs but something is undecided, the exit is 2. A difference is looked at again for up to ${PATIENCE} before it is told, since the document or the delete may be on its way: that is how long a small index with a difference takes. Lines name id and routing; leader_seq_no is the operation, found on the leader by the query {"term":{"_seq_no":N}}. Needs the clusters in the configuration.`,
  examples: [['slipstream verify tokyo:cities --content', 'exit 0 equal, 1 different, 2 could not compare']],
  async run(context) {
    const { args, deps, say, answer } = context;
    const follower = parseIndex('verify', args.positionals[0] ?? '');
    const samples = samplesOf(context);
    const config = await context.config();
    using stop = interruption(deps);
    const progress = progressLine(context);
    try {
      const found = await deps.verify(
        config,
        { follower, content: args.has('content'), onProgress: progress.show },
        stop.signal,
      );
      progress.clear();
      answer(found);
      say(verifyText(found, follower, samples));
      return EXITS[found.report.outcome];
    } catch (error) {
      progress.clear();
      const by = stop.by();
      if (by !== undefined) return exitOfSignal(by);
      if (!(error instanceof Failed) || error.failure.code === 'bug') throw error;
      context.fail(error.failure);
      return 'notCompared';
    }
  },
};
