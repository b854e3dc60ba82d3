/**
 * `npm run bench`: what copying and following cost, beside other ways of copying and beside a floor. Exit code 0 when every copy was complete,
 * however fast; 1 when one was not; 130 when it was stopped.
 */
import { cpus } from 'node:os';
import { failureLines } from '../demo/demo-failure.ts';
import { endSignal } from '../scripts/steps.ts';
import { ELASTICSEARCH_VERSION } from '../stack/downloads.ts';
import { estimatedMinutes } from './estimate.ts';
import { type BenchOptions, parseOptions, USAGE } from './options.ts';
import { reportJson, reportText } from './report.ts';
import { runBenchmark } from './run.ts';
import { HEAP_MIB } from './world.ts';

async function main(options: BenchOptions): Promise<number> {
  const startedMs = performance.now();
  const out = options.json ? process.stderr : process.stdout;
  const log = (line: string): void => {
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    out.write(`${`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`.padStart(6)}  ${line}\n`);
  };
  const tell = (result: object): void => {
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  };
  const machine = { cores: cpus().length, processor: cpus()[0]?.model ?? 'unknown', node: process.version };
  const servers = { elasticsearch: ELASTICSEARCH_VERSION, heapMib: HEAP_MIB };
  const signal = endSignal();
  if (process.platform !== 'linux') {
    out.write('The benchmark reads CPU time and memory of processes from /proc, which Linux alone has.\n');
    return 1;
  }
  log(
    `about ${estimatedMinutes(options)} minutes on two quiet cores; this machine: ${machine.cores} of ${machine.processor}`,
  );
  try {
    const figures = await runBenchmark({ options, signal, log });
    out.write(`\n${reportText(figures)}`);
    tell({ ok: true, ...machine, ...servers, ...reportJson(figures) });
    return 0;
  } catch (error) {
    const lines = signal.aborted ? ['stopped'] : failureLines(error);
    out.write(`${lines.join('\n')}\n`);
    tell({ ok: false, failure: lines.join('\n') });
    return signal.aborted ? 130 : 1;
  }
}

const options = parseOptions(process.argv.slice(2));
if (options === undefined) process.stderr.write(USAGE);
const code = options === undefined ? 64 : await main(options);
process.stdout.write('', () => process.exit(code));
