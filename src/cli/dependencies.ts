import type { Program } from '../app/program.ts';
import type { Config } from '../config/config.ts';

export interface Output {
  write(text: string): void;
}

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** The process round the commands. */
export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether stdout is a terminal. */
  readonly isTty: boolean;
  /** Cells of a line; Infinity when stdout is no terminal. */
  columns(): number;
  rows(): number;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Replaces the default of ending at once; call the answer to put it back. */
  onSignal(listener: (signal: StopSignal) => void): () => void;
  /** Ends the process now, finishing nothing. */
  exit(code: number): void;
  /** Aborted when the reader of stdout went away. */
  readonly outputClosed: AbortSignal;
}

export interface CliDependencies extends Program, Terminal {
  loadConfig(path: string): Promise<Config>;
  /** Who asks, for the journal. */
  readonly user: string;
  readonly version: string;
}
