import { didYouMean } from '../config/suggest.ts';
import { assert } from '../domain/assert.ts';
import { Failed, failureOf, type Failure } from '../domain/failure.ts';
import { parseArguments, usageFault } from './arguments.ts';
import { COMMANDS } from './catalogue.ts';
import type { Command, CommandContext } from './command.ts';
import type { CliDependencies } from './dependencies.ts';
import { EXIT, exitOf, type Exit } from './exit-codes.ts';
import { commandHelp, generalHelp } from './help.ts';
import { failureText } from './report.ts';
import type { Config } from '../config/config.ts';
import { oneLine } from './text.ts';

const DEFAULT_CONFIG = './slipstream.yml';

function commandNamed(name: string): Command {
  const command = COMMANDS.find((known) => known.name === name);
  if (command !== undefined) return command;
  const names = [...COMMANDS.map((known) => known.name), 'help'];
  throw usageFault(
    '',
    name.startsWith('-')
      ? `${name}: the command comes first, flags after it`
      : `unknown command ${oneLine(name)}${didYouMean(name, names)}`,
  );
}

function configReader(path: string, deps: CliDependencies): () => Promise<Config> {
  let loading: Promise<Config> | undefined;
  const load = async (): Promise<Config> => {
    const config = await deps.loadConfig(path);
    for (const warning of config.warnings) deps.stderr.write(`slipstream: warning: ${warning}\n`);
    return config;
  };
  return () => (loading ??= load());
}

function tellFailure(failure: Failure, json: boolean, deps: CliDependencies): void {
  if (json) deps.stdout.write(`${JSON.stringify({ ok: false, failure })}\n`);
  else deps.stderr.write(failureText(failure));
}

async function runCommand(command: Command, argv: readonly string[], deps: CliDependencies): Promise<Exit | number> {
  const args = parseArguments(command, argv);
  if (args.has('help')) {
    deps.stdout.write(commandHelp(command));
    return 'ok';
  }
  const json = args.has('json');
  const variable = deps.env['SLIPSTREAM_CONFIG'];
  const fallback = variable === undefined || variable === '' ? DEFAULT_CONFIG : variable;
  const context: CommandContext = {
    args,
    deps,
    json,
    config: configReader(args.value('config') ?? fallback, deps),
    say: (text) => (json ? undefined : deps.stdout.write(text)),
    answer: (result, failure) => {
      const told = failure === undefined ? { ok: true, result } : { ok: false, failure, result };
      if (json) deps.stdout.write(`${JSON.stringify(told)}\n`);
    },
    fail: (failure) => tellFailure(failure, json, deps),
  };
  return command.run(context);
}

async function dispatch(argv: readonly string[], deps: CliDependencies): Promise<Exit | number> {
  const [name = '--help', ...rest] = argv;
  if (name === '--version' || name === '-v') return runCommand(commandNamed('version'), rest, deps);
  if (name !== 'help' && name !== '--help' && name !== '-h') return runCommand(commandNamed(name), rest, deps);
  const [about] = rest.filter((token) => !token.startsWith('-'));
  deps.stdout.write(about === undefined || about === 'help' ? generalHelp() : commandHelp(commandNamed(about)));
  return argv.length === 0 ? 'usage' : 'ok';
}

/** Runs one command line (without `node` and the script) and gives the exit code. Never throws. */
export async function run(argv: readonly string[], deps: CliDependencies): Promise<number> {
  try {
    const exit = await dispatch(argv, deps);
    if (typeof exit !== 'number') return EXIT[exit].code;
    assert(Number.isInteger(exit) && exit >= 0 && exit <= 255, `${exit} is an exit code`);
    return exit;
  } catch (error) {
    const failure = failureOf(error, 'slipstream');
    tellFailure(failure, argv.includes('--json'), deps);
    // A user's mistake is never answered with a stack; a defect without one cannot be found.
    if (!(error instanceof Failed) && error instanceof Error && error.stack !== undefined)
      deps.stderr.write(`${error.stack}\n`);
    return EXIT[exitOf(failure)].code;
  }
}
