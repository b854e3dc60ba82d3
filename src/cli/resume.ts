import { usageFault } from './arguments.ts';
import { WAIT_FLAG, type Command } from './command.ts';
import { tellOutcome, withControl } from './outcome.ts';
import { parseTargets, shownTarget, waitOf } from './targets.ts';

export const resume: Command = {
  name: 'resume',
  summary: 'Go on with what is paused, retrying or fatal.',
  usage: '<cluster:index[/shard]>',
  positionals: { min: 1, max: 1 },
  flags: [
    {
      name: 'on-missing-history',
      value: 'ACTION',
      about:
        "rebootstrap: copy everything again in place, if the leader's history is not the one that was copied. fail (default): do not.",
    },
    { name: 'allow-mass-delete', about: 'Let one delete scan delete more than the allowed share of a shard, once.' },
    WAIT_FLAG,
  ],
  examples: [
    ['slipstream resume tokyo:cities/1', 'from where it stopped'],
    [
      'slipstream resume tokyo:cities --on-missing-history rebootstrap',
      'after history_changed: the leader was restored in place, or a shard of it force-allocated',
    ],
  ],
  async run(context) {
    const { args, deps } = context;
    const target = parseTargets('resume', args.positionals[0] ?? '');
    const action = args.value('on-missing-history') ?? 'fail';
    if (action !== 'rebootstrap' && action !== 'fail')
      throw usageFault('resume', `--on-missing-history ${action}: expected rebootstrap or fail`);
    const waitMs = waitOf('resume', args);
    const command = {
      ...target,
      rebootstrap: action === 'rebootstrap',
      allowMassDelete: args.has('allow-mass-delete'),
      by: deps.user,
      waitMs,
    };
    const result = await withControl(context, ({ control }) => control.resume(command));
    return tellOutcome(context, { verb: 'resume', target: shownTarget(target), waitMs, result });
  },
};
