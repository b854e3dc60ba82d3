import { WAIT_FLAG, type Command } from './command.ts';
import { tellOutcome, withControl } from './outcome.ts';
import { parseTargets, shownTarget, waitOf } from './targets.ts';

export const pause: Command = {
  name: 'pause',
  summary: 'Stop reading at a safe point; nothing is lost however long it lasts.',
  usage: '<cluster:index[/shard]>',
  positionals: { min: 1, max: 1 },
  flags: [WAIT_FLAG],
  details: 'Effective means: reading has stopped and the position is saved.',
  examples: [
    ['slipstream pause tokyo:cities', 'every shard'],
    ["slipstream pause 'tokyo:logs-*'", 'every shard of every index whose name begins so'],
    ['slipstream pause tokyo:cities/1 --wait 10s', 'one shard, and wait until it is effective'],
  ],
  async run(context) {
    const { args, deps } = context;
    const target = parseTargets('pause', args.positionals[0] ?? '');
    const waitMs = waitOf('pause', args);
    const result = await withControl(context, ({ control }) => control.pause({ ...target, by: deps.user, waitMs }));
    return tellOutcome(context, { verb: 'pause', target: shownTarget(target), waitMs, result });
  },
};
