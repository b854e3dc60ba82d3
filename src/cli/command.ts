import type { Config } from '../config/config.ts';
import type { Failure } from '../domain/failure.ts';
import type { CliDependencies } from './dependencies.ts';
import type { Exit } from './exit-codes.ts';

export interface Flag {
  readonly name: string;
  /** Placeholder of its value; absent: the flag has none. */
  readonly value?: string;
  /** The value may be left out, and is then this. */
  readonly bare?: string;
  readonly many?: boolean;
  readonly about: string;
}

export interface Arguments {
  readonly positionals: readonly string[];
  has(flag: string): boolean;
  value(flag: string): string | undefined;
  values(flag: string): readonly string[];
}

export interface CommandContext {
  readonly args: Arguments;
  readonly deps: CliDependencies;
  readonly json: boolean;
  /** Reads the configuration that `--config` or the environment names, telling its warnings once. */
  config(): Promise<Config>;
  /** Text for people; nothing with `--json`. */
  say(text: string): void;
  /** The one answer of `--json`; nothing without. `failure`: the exit says that something is wrong, and this is what. */
  answer(result: unknown, failure?: Failure): void;
  /** Tells a failure, for a command that has an exit of its own for it. */
  fail(failure: Failure): void;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Positional arguments as the usage line shows them. */
  readonly usage: string;
  readonly positionals: { readonly min: number; readonly max: number };
  readonly flags: readonly Flag[];
  /** Paragraphs of help. */
  readonly details?: string;
  readonly examples: readonly (readonly [command: string, about: string])[];
  /** Throws `Failed`; the answer is the exit. A number is an exit code decided elsewhere. */
  run(context: CommandContext): Promise<Exit | number>;
}

export const COMMON_FLAGS: readonly Flag[] = [
  { name: 'config', value: 'FILE', about: 'Configuration file (default: $SLIPSTREAM_CONFIG, else ./slipstream.yml).' },
  { name: 'json', about: 'Answer in JSON on stdout, failures too.' },
  { name: 'help', about: 'Show this help.' },
];

export const WAIT_FLAG: Flag = {
  name: 'wait',
  value: 'TIME',
  bare: '60s',
  about: 'Wait until it is effective, at most TIME (60s without TIME); without --wait it ends when accepted.',
};
