import { COMMANDS } from './catalogue.ts';
import { COMMON_FLAGS, type Command, type Flag } from './command.ts';
import { EXIT } from './exit-codes.ts';

/** Breaks prose at blanks; long words stay whole. */
function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width - indent.length) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => indent + each).join('\n');
}

const WIDTH = 100;

export function flagUsage({ name, value, bare }: Flag): string {
  if (value === undefined) return `--${name}`;
  return bare === undefined ? `--${name} ${value}` : `--${name} [${value}]`;
}

export function usageLine({ name, usage }: Command): string {
  return `slipstream ${name}${usage === '' ? '' : ` ${usage}`} [flags]`;
}

function flagLines(flags: readonly Flag[]): string {
  const width = Math.max(...flags.map((flag) => flagUsage(flag).length));
  return flags
    .map((flag) => `  ${flagUsage(flag).padEnd(width)}  ${wrap(flag.about, WIDTH, ' '.repeat(width + 4)).trimStart()}`)
    .join('\n');
}

export function commandHelp(command: Command): string {
  const parts = [`${command.summary}\n`, `Usage: ${usageLine(command)}\n`];
  if (command.details !== undefined) parts.push(`${wrap(command.details, WIDTH, '')}\n`);
  parts.push(`Flags:\n${flagLines([...command.flags, ...COMMON_FLAGS])}\n`);
  parts.push(
    `Examples:\n${command.examples.map(([text, about]) => `${about === '' ? '' : `  # ${about}\n`}  ${text}`).join('\n')}\n`,
  );
  return parts.join('\n');
}

export function generalHelp(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return [
    'Slipstream keeps indices of one search cluster continuously copied into another.\n',
    'Usage: slipstream <command> [arguments] [flags]\n',
    `Commands:\n${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}\n`,
    `Flags of every command:\n${flagLines(COMMON_FLAGS)}\n`,
    'An index is named cluster:index, one shard of it cluster:index/shard.\n',
    `Exit codes:\n${Object.values(EXIT)
      .map(({ code, about }) => `  ${String(code).padStart(3)}  ${about.replaceAll('`', '')}`)
      .join('\n')}\n`,
    'slipstream help <command> tells more, with examples.\n',
  ].join('\n');
}
