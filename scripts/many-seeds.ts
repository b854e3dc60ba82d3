/** Runs seeds of a simulation on all cores, and says what did not hold, how many steps it took, and how often everything came. */
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

type Counts = Readonly<Record<string, ReadonlyMap<string, number>>>;

export interface SeedReport {
  readonly seed: number;
  /** What did not hold; undefined: everything did. */
  readonly violation: string | undefined;
  readonly steps: number;
  readonly virtualMs: number;
  /** Processes that lived. */
  readonly lives: number;
  /** How often what came: added up over all seeds under the same names. */
  readonly counts: Counts;
}

export interface ManySeeds {
  /** The npm script that replays one of them. */
  readonly command: string;
  /** The entry point, which calls this in each worker as well. */
  readonly script: string;
  readonly from: number;
  readonly count: number;
  readonly simulate: (seed: number) => Promise<SeedReport>;
  /** What should have come by then, and never did: as bad as a seed that failed. */
  readonly missing?: (counts: Counts) => readonly string[];
}

interface Share {
  readonly from: number;
  readonly to: number;
  readonly every: number;
}

/** Sets the exit code. */
export async function manySeeds(options: ManySeeds): Promise<void> {
  await (isMainThread ? runAll(options) : runShare(workerData as Share, options));
}

async function runShare({ from, to, every }: Share, { simulate }: ManySeeds): Promise<void> {
  for (let seed = from; seed < to; seed += every) parentPort?.postMessage(await simulate(seed));
}

async function runAll({ command, script, from, count, missing }: ManySeeds): Promise<void> {
  const started = performance.now();
  const cores = availableParallelism();
  const failed: number[] = [];
  const counts: Record<string, Map<string, number>> = {};
  let [done, steps, virtualMs, lives] = [0, 0, 0, 0];
  const heard = (report: SeedReport): void => {
    done += 1;
    if (done % Math.ceil(count / 10) === 0 && done < count) console.log(`${done} of ${count} seeds`);
    steps += report.steps;
    virtualMs += report.virtualMs;
    lives += report.lives;
    for (const [name, came] of Object.entries(report.counts)) add((counts[name] ??= new Map()), came);
    if (report.violation === undefined) return;
    failed.push(report.seed);
    console.log(`seed ${report.seed}: ${report.violation.slice(0, 600)}`);
    console.log(`  npm run ${command} -- --seed ${report.seed}`);
  };
  const share = (at: number): Share => ({ from: from + at, to: from + count, every: cores });
  await Promise.all(Array.from({ length: cores }, (_, at) => runWorker(script, share(at), heard)));
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${count} seeds, ${steps} steps in ${seconds.toFixed(1)} s (${Math.round(count / seconds)} seeds a second on ${cores} cores), ` +
      `${(virtualMs / 3_600_000).toFixed(1)} hours of their time, ${lives} processes`,
  );
  for (const [name, came] of Object.entries(counts)) console.log(`${name}: ${listed(came)}`);
  const never = missing?.(counts) ?? [];
  if (never.length > 0) console.log(`never came: ${never.join(', ')}`);
  console.log(`${failed.length} failed${failed.length === 0 ? '' : `: ${failed.toSorted((a, b) => a - b).join(' ')}`}`);
  process.exitCode = failed.length === 0 && never.length === 0 && done > 0 && done === count ? 0 : 1;
}

function runWorker(script: string, share: Share, heard: (report: SeedReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(script), { workerData: share, argv: [] });
    worker.on('message', heard);
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
  });
}

function add(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, times] of counts) sums.set(name, (sums.get(name) ?? 0) + times);
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
}
