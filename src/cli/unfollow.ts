import { WAIT_FLAG, type Command } from './command.ts';
import { tellOutcome, withControl } from './outcome.ts';
import { parseIndex, shownTarget, waitOf } from './targets.ts';

export const unfollow: Command = {
  name: 'unfollow',
  summary: 'Stop following for good; the copied documents stay.',
  usage: '<cluster:index>',
  positionals: { min: 1, max: 1 },
  flags: [WAIT_FLAG],
  examples: [['slipstream unfollow tokyo:cities', 'the follower becomes an index like any other']],
  async run(context) {
    const { args, deps } = context;
    const follower = parseIndex('unfollow', args.positionals[0] ?? '');
    const waitMs = waitOf('unfollow', args);
    const result = await withControl(context, ({ control }) => control.unfollow({ follower, by: deps.user, waitMs }));
    return tellOutcome(context, { verb: 'unfollow', target: shownTarget({ follower }), waitMs, result });
  },
};
