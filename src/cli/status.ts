import { failureOf, Failed } from '../domain/failure.ts';
import { usageFault } from './arguments.ts';
import type { Command, CommandContext } from './command.ts';
import type { ControlConnection } from '../app/program.ts';
import { exitOfSignal, type Exit } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { withControl } from './outcome.ts';
import { failureText } from './report.ts';
import { renderStatus, sortedStatus } from './status-view.ts';
import { optionalTarget, parseTargets } from './targets.ts';
import { oneLine, painter, truncate } from './text.ts';

const WATCH_INTERVAL_MS = 1000;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
/** Home, and clear the rest of each line and of the screen while writing, so that nothing flickers. */
const redraw = (text: string): string => `\u001b[H${text.replaceAll('\n', '\u001b[K\n')}\u001b[J`;

async function table(
  { args, deps, config }: CommandContext,
  { control, journalWarnings }: ControlConnection,
  rows: number,
): Promise<string> {
  const indices = await control.status(optionalTarget('status', args, parseTargets));
  const { uiTraceUrl } = (await config()).telemetry;
  const paint = painter(deps);
  const warnings = (await journalWarnings()).map((text) => paint('yellow', truncate(oneLine(text), deps.columns())));
  const view = { columns: deps.columns(), rows: rows - warnings.length, nowMs: deps.now(), paint, uiTraceUrl };
  return [renderStatus(indices, view), ...warnings.map((line) => `${line}\n`)].join('');
}

async function watch(context: CommandContext, connection: ControlConnection): Promise<Exit> {
  const { deps } = context;
  using stop = interruption(deps);
  deps.stdout.write(`${HIDE_CURSOR}\u001b[2J`);
  try {
    while (!stop.signal.aborted) {
      let text: string;
      try {
        text = await table(context, connection, deps.rows());
      } catch (error) {
        if (!(error instanceof Failed)) throw error;
        text = failureText(failureOf(error, 'status'));
      }
      deps.stdout.write(redraw(text));
      await deps.sleep(WATCH_INTERVAL_MS, stop.signal);
    }
  } finally {
    deps.stdout.write(SHOW_CURSOR);
  }
  const by = stop.by();
  return by === undefined ? 'ok' : exitOfSignal(by);
}

export const status: Command = {
  name: 'status',
  summary: 'Show state, progress, lag and throughput of every shard.',
  usage: '[cluster:index[/shard]]',
  positionals: { min: 0, max: 1 },
  flags: [
    { name: 'watch', about: 'Keep showing it, on a terminal; elsewhere once.' },
    { name: 'all', about: 'Every shard, also where the terminal has fewer lines.' },
  ],
  details:
    'LAG S is the age of the oldest change that is not applied. DOCS are those of the follower, - while their number is not known (a pair that does not run, a start after a crash, an answer that was lost). OPS/S and MB/S are of the last seconds. What is paused, retrying or fatal is listed below with its reason and the next step. On a terminal with fewer lines than that takes stand the number of shards in each state and what is most urgent; --all shows everything. At the end stands what an operator should know of the journal, such as what a power cut may lose (`warnings` with --json).',
  examples: [
    ['slipstream status --watch', 'live'],
    ['slipstream status tokyo:cities --json', 'one index, for scripts'],
    ["slipstream status 'tokyo:logs-*'", 'every index whose name begins so'],
  ],
  run(context) {
    const { args, deps, json, say, answer } = context;
    const target = optionalTarget('status', args, parseTargets);
    if (args.has('all') && args.has('watch'))
      throw usageFault('status', '--watch shows what fits on the terminal and cannot be used with --all');
    if (json && args.has('watch')) throw usageFault('status', '--watch shows a table and cannot be used with --json');
    return withControl(context, async (connection) => {
      if (json) {
        const indices = sortedStatus(await connection.control.status(target));
        answer({ indices, warnings: await connection.journalWarnings() });
      } else if (args.has('watch') && deps.isTty) return watch(context, connection);
      else say(await table(context, connection, args.has('all') ? Number.POSITIVE_INFINITY : deps.rows()));
      return 'ok';
    });
  },
};
