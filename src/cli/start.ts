import type { RunningSupervisor } from '../app/program.ts';
import type { Config } from '../config/config.ts';
import { redactedConfig } from '../config/redact.ts';
import { failed, type Failed } from '../domain/failure.ts';
import type { Command, CommandContext } from './command.ts';
import type { StopSignal } from './dependencies.ts';
import { EXIT, exitOf, exitOfSignal, type Exit } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { failureLine } from './report.ts';

function needsClusters(config: Config): Failed | undefined {
  if (config.clusters.size > 0) return undefined;
  return failed('invalid_config', {
    op: `read configuration ${config.path}`,
    reason: 'clusters: a supervisor needs at least one cluster',
  });
}

/** Asks every server of the configuration, and changes nothing. */
async function check(context: CommandContext, config: Config): Promise<Exit> {
  const { deps, say, answer } = context;
  using stop = interruption(deps);
  const results = await deps.checkReach(config, stop.signal);
  const by = stop.by();
  if (by !== undefined) return exitOfSignal(by);
  const failures = results.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  answer({ reachable: failures.length === 0, servers: results, config: redactedConfig(config) }, failures[0]);
  say(`${config.path}: configuration right\n`);
  for (const { kind, name, detail, failure } of results) {
    const label = kind === 'nats' ? 'nats' : `cluster ${name}`;
    say(
      failure === undefined
        ? `${label}: ok${detail === undefined ? '' : ` (${detail})`}\n`
        : `${label}: ${failureLine(failure, name)}\n  next: ${failure.hint}\n`,
    );
  }
  const [first] = failures;
  return first === undefined ? 'ok' : exitOf(first);
}

/** Where its NATS server is, and whose it is. */
function natsOf(config: Config, ownServer: RunningSupervisor['ownServer']): string {
  return ownServer === undefined
    ? config.nats.servers.join(', ')
    : `${ownServer.url} (run by this supervisor, data in ${ownServer.dataFolder})`;
}

function whereToLook(config: Config, running: RunningSupervisor): string {
  const { clusters, supervisor, telemetry } = config;
  const flag = config.path === 'slipstream.yml' || config.path === './slipstream.yml' ? '' : ` --config ${config.path}`;
  const { exporter, endpoint } = telemetry.traces;
  return [
    `Supervisor ${supervisor.name} runs: clusters ${[...clusters.keys()].join(', ')}; NATS ${natsOf(config, running.ownServer)}`,
    `  state    slipstream status --watch${flag}`,
    `  history  slipstream events --follow${flag}`,
    exporter === 'none'
      ? '  traces   off'
      : `  traces   ${telemetry.uiTraceUrl ?? `sent by ${exporter} to ${endpoint}`}`,
    '  stop     Ctrl-C once to finish what was begun, twice to end at once',
    '',
  ].join('\n');
}

/** The first signal drains, the second ends the process at once. */
async function supervise(context: CommandContext, config: Config): Promise<Exit | number> {
  const { deps, say, answer } = context;
  const startup = new AbortController();
  let stopRunning: ((reason: string) => void) | undefined;
  let first: StopSignal | undefined;
  const off = deps.onSignal((signal) => {
    if (first !== undefined) {
      deps.exit(EXIT[exitOfSignal(signal)].code);
      return;
    }
    first = signal;
    deps.stderr.write(`slipstream: ${signal}: finishing what was begun; once more ends at once\n`);
    if (stopRunning === undefined) startup.abort(new Error(signal));
    else stopRunning(signal);
  });
  try {
    const running = await deps.startSupervisor(config, startup.signal);
    stopRunning = running.stop;
    if (startup.signal.aborted) running.stop(first ?? 'stop');
    const nats = running.ownServer === undefined ? config.nats.servers : [running.ownServer.url];
    answer({ supervisor: config.supervisor.name, clusters: [...config.clusters.keys()], nats });
    // Behind a pipe stdout is for the log, one JSON object a line.
    if (deps.isTty) say(whereToLook(config, running));
    else if (!context.json) deps.stderr.write(whereToLook(config, running));
    return await running.stopped;
  } catch (error) {
    if (startup.signal.aborted) return 'ok';
    throw error;
  } finally {
    off();
  }
}

export const start: Command = {
  name: 'start',
  summary: 'Run a supervisor: it follows what the journal says, until it is stopped.',
  usage: '',
  positionals: { min: 0, max: 0 },
  flags: [{ name: 'check', about: 'Check the configuration, reach clusters and NATS, and end.' }],
  details:
    'SIGTERM or Ctrl-C: finish what was begun and save positions (at most supervisor.drainTimeoutMs), then exit 0. A second one ends at once; nothing is lost then either, some work is done again at the next start.',
  examples: [
    ['slipstream start --config slipstream.yml', 'run in the foreground'],
    ['slipstream start --check', 'try the configuration'],
  ],
  async run(context) {
    const config = await context.config();
    const fault = needsClusters(config);
    if (fault !== undefined) throw fault;
    return context.args.has('check') ? check(context, config) : supervise(context, config);
  },
};
