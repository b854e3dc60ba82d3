/** The commands with everything round them; loaded by `main.ts` once it is known that this Node can run them. */
import { packageVersion } from '../app/package-version.ts';
import { hostname, userInfo } from 'node:os';
import { environment, loadConfig } from '../config/load.ts';
import type { Program } from '../app/program.ts';
import { keepHeapSmall } from '../infra/system/small-heap.ts';
import type { CliDependencies } from './dependencies.ts';
import { run } from './run.ts';
import { flushed, processTerminal } from './terminal.ts';

/** Loaded when a command needs it, so that help and faults of the command line are answered at once. */
const program = (): Promise<Omit<Program, 'connectControl'>> => import('../app/cli-wiring.ts');

function userName(): string {
  try {
    return `cli:${userInfo().username}@${hostname()}`.slice(0, 256);
  } catch {
    // A container's user may have no name.
    return `cli:${hostname()}`;
  }
}

const dependencies: CliDependencies = {
  ...processTerminal(process, environment()),
  loadConfig,
  connectControl: async (config) => (await import('../app/control-connection.ts')).connectControl(config),
  startSupervisor: async (config, signal) => (await program()).startSupervisor(config, signal),
  recover: async (config, request, signal) => (await program()).recover(config, request, signal),
  verify: async (config, request, signal) => (await program()).verify(config, request, signal),
  checkReach: async (config, signal) => (await program()).checkReach(config, signal),
  diagnose: async (config, signal) => (await program()).diagnose(config, signal),
  user: userName(),
  version: packageVersion(),
};

keepHeapSmall();
const code = await run(process.argv.slice(2), dependencies);
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(code);
