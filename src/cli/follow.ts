import { parseParameters, PARAMETER_NAMES } from '../config/follow-parameters.ts';
import { SHARDS_KEY } from '../domain/index-spec/setting-values.ts';
import { usageFault } from './arguments.ts';
import { WAIT_FLAG, type Arguments, type Command } from './command.ts';
import { tellOutcome, withControl } from './outcome.ts';
import { parseIndex, shownTarget, waitOf } from './targets.ts';

/** `key=value` pairs of a flag; a value may hold `=`. */
function assignments(args: Arguments, flag: string): Readonly<Record<string, string>> {
  const entries = args.values(flag).map((text) => {
    const at = text.indexOf('=');
    if (at < 1) throw usageFault('follow', `--${flag} ${text}: expected ${flag === 'set' ? 'setting' : 'name'}=value`);
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  const twice = entries.find(([key], at) => entries.findIndex(([other]) => other === key) !== at);
  if (twice !== undefined) throw usageFault('follow', `--${flag} ${twice[0]} is given twice`);
  return Object.fromEntries(entries);
}

function withShards(
  settings: Readonly<Record<string, string>>,
  shards: string | undefined,
): Readonly<Record<string, string>> {
  if (shards === undefined) return settings;
  if (!/^[1-9]\d{0,3}$/.test(shards)) throw usageFault('follow', `--shards ${shards}: expected a whole number above 0`);
  if (SHARDS_KEY in settings) throw usageFault('follow', `--shards and --set ${SHARDS_KEY} say the same`);
  return { ...settings, [SHARDS_KEY]: shards };
}

export const follow: Command = {
  name: 'follow',
  summary: 'Copy an index and keep the copy in step.',
  usage: '<leader cluster:index> <follower cluster:index>',
  positionals: { min: 2, max: 2 },
  flags: [
    {
      name: 'set',
      value: 'SETTING=VALUE',
      many: true,
      about: "Setting of the follower index that overrides the leader's, e.g. index.number_of_replicas=0.",
    },
    {
      name: 'param',
      value: 'NAME=VALUE',
      many: true,
      about: 'Parameter of this follower; sizes such as 32mb, times such as 500ms.',
    },
    {
      name: 'shards',
      value: 'N',
      about:
        "Primary shards of the follower index, if not as many as the leader's; docs/unaligned.md tells what that costs.",
    },
    WAIT_FLAG,
  ],
  details: `Effective means: every shard is copied whole and follows (state following); of a large index that takes longer than --wait may last. Parameters: ${PARAMETER_NAMES.join(', ')}; docs/config.md describes them.`,
  examples: [
    ['slipstream follow paris:cities tokyo:cities', 'copy, and keep following'],
    [
      'slipstream follow paris:cities tokyo:cities-copy --set index.number_of_replicas=0 --param max_read_request_size_bytes=8mb --wait',
      'with a setting and a parameter of its own',
    ],
  ],
  async run(context) {
    const { args, deps } = context;
    const [from = '', to = ''] = args.positionals;
    const leader = parseIndex('follow', from);
    const follower = parseIndex('follow', to);
    const settings = withShards(assignments(args, 'set'), args.value('shards'));
    const parsed = parseParameters(assignments(args, 'param'));
    if ('faults' in parsed) throw usageFault('follow', parsed.faults.map((fault) => `--param ${fault}`).join('\n'));
    const waitMs = waitOf('follow', args);
    const result = await withControl(context, ({ control }) =>
      control.follow({ leader, follower, parameters: parsed.parameters, settings, by: deps.user, waitMs }),
    );
    return tellOutcome(context, { verb: 'follow', target: shownTarget({ follower }), waitMs, result });
  },
};
