import { parseArgs } from 'node:util';
import { didYouMean } from '../config/suggest.ts';
import { failed, type Failed } from '../domain/failure.ts';
import { COMMON_FLAGS, type Arguments, type Command, type Flag } from './command.ts';

/** A command line that cannot be understood. */
export function usageFault(command: string, reason: string): Failed {
  return failed('invalid_command', {
    op: command === '' ? 'slipstream' : `slipstream ${command}`,
    reason,
    hint:
      command === '' ? 'slipstream --help lists the commands.' : `slipstream ${command} --help shows how it is used.`,
  });
}

/** `--wait` alone and `--wait 5s` become `--wait=...`, which the parser of Node understands. */
function withBareValues(argv: readonly string[], flags: readonly Flag[]): string[] {
  const out: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const token = argv[at] ?? '';
    if (token === '--') return [...out, ...argv.slice(at)];
    const flag = flags.find(({ name, bare }) => bare !== undefined && token === `--${name}`);
    const next = argv[at + 1] ?? '';
    const takesNext = flag !== undefined && /^\d[\w.]*$/.test(next);
    if (takesNext) at += 1;
    out.push(flag === undefined ? token : `${token}=${takesNext ? next : flag.bare}`);
  }
  return out;
}

/** The command's arguments, or one fault that tells everything wrong with them. */
export function parseArguments(command: Command, argv: readonly string[]): Arguments {
  const flags = [...command.flags, ...COMMON_FLAGS];
  const options = Object.fromEntries(
    flags.map(({ name, value }) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: true },
    ]),
  );
  const { tokens } = parseArgs({
    args: withBareValues(argv, flags),
    options: { ...options, h: { type: 'boolean' } },
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const faults: string[] = [];
  const positionals: string[] = [];
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const name = token.rawName === '-h' ? 'help' : token.name;
    const flag = flags.find((known) => known.name === name && (token.rawName.startsWith('--') || name === 'help'));
    const values = given.get(name) ?? [];
    if (flag === undefined)
      faults.push(
        `unknown flag ${token.rawName}${didYouMean(
          name,
          flags.map((known) => known.name),
        ).replace(/mean (\w)/, 'mean --$1')}`,
      );
    else if (flag.value === undefined && token.value !== undefined) faults.push(`${token.rawName} takes no value`);
    else if (
      flag.value !== undefined &&
      (token.value === undefined || token.value === '' || (token.inlineValue === false && token.value.startsWith('-')))
    )
      faults.push(`${token.rawName} needs a value: ${token.rawName} ${flag.value}`);
    else if (values.length > 0 && flag.value !== undefined && flag.many !== true)
      faults.push(`${token.rawName} is given twice`);
    given.set(name, [...values, token.value ?? '']);
  }
  const { min, max } = command.positionals;
  if (!given.has('help')) {
    if (positionals.length < min) faults.push(`expected ${command.usage}`);
    if (positionals.length > max) faults.push(`unexpected argument ${positionals.slice(max).join(' ')}`);
    if (faults.length > 0) throw usageFault(command.name, faults.join('\n'));
  }
  return {
    positionals,
    has: (flag) => given.has(flag),
    value: (flag) => given.get(flag)?.[0],
    values: (flag) => given.get(flag) ?? [],
  };
}
