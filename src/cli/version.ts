import type { Command } from './command.ts';

export const version: Command = {
  name: 'version',
  summary: 'Show the version.',
  usage: '',
  positionals: { min: 0, max: 0 },
  flags: [],
  examples: [['slipstream version', '']],
  run({ deps, say, answer }) {
    answer({ version: deps.version });
    say(`slipstream ${deps.version}\n`);
    return Promise.resolve('ok');
  },
};
