/**
 * `npm run chaos -- --minutes N [--seed S] [--supervisors N] [--only TEXT] [--json]`: random process and network faults under load, on a leader cluster of
 * three nodes, a follower, NATS and two supervisors of its own; with --only, those whose names hold the text. Exit code 0 only when both sides are
 * identical at the end and nothing had to be done by hand.
 */
import { parseArgs } from 'node:util';
import { StackError } from '../stack/stack-error.ts';
import { type ChaosReport, runChaos } from '../test/chaos/chaos-run.ts';
import { faultTable, tableText } from '../test/chaos/fault-table.ts';
import { FAULT_KINDS } from '../test/chaos/fault-kinds.ts';
import { openField } from '../test/chaos/field.ts';
import { seededRandom } from '../test/support/seeded-random.ts';
import { endSignal } from './steps.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    supervisors: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const [minutes, seed] = [positive('minutes', values.minutes), positive('seed', values.seed)];
const supervisors = Math.ceil(positive('supervisors', values.supervisors));
const kinds = FAULT_KINDS.filter(({ name }) => name.includes(values.only));
if (kinds.length === 0) {
  console.error(`--only ${values.only}: there are ${FAULT_KINDS.map(({ name }) => name).join('; ')}`);
  process.exit(64);
}
const signal = endSignal();
// With --json the answer has stdout to itself.
const log = (line: string): void => (values.json ? console.error(line) : console.log(line));

process.exitCode = await run().catch((error: unknown) => {
  // Everything has ended; a fault that still waits for something need not be waited for.
  if (signal.aborted) process.exit(130);
  console.error(error instanceof StackError ? error.message : error);
  return 1;
});

async function run(): Promise<number> {
  await using field = await openField({ log, signal, supervisors, random: seededRandom(seed + 1) });
  const interrupted = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  log(`faults for ${minutes} minutes, seed ${seed}, ${supervisors} supervisors`);
  const report = await Promise.race([interrupted, runChaos(field, { seed, durationMs: minutes * 60_000, kinds, log })]);
  const table = faultTable(report);
  if (values.json) console.log(JSON.stringify({ ...report, table }, undefined, 2));
  else tell(report, tableText(table));
  return report.faulty.length === 0 ? 0 : 1;
}

function tell(report: ChaosReport, table: string): void {
  const { faults, rounds, indices, peaksMib, faulty } = report;
  const pairs = indices.flatMap((index) => index.pairs);
  const sum = <T>(items: readonly T[], count: (item: T) => number): number =>
    items.reduce((total, item) => total + count(item), 0);
  const refused = indices.flatMap(({ churn }) => Object.values(churn.refused));
  log(`\n${table}\n`);
  log(
    `${faults.length} faults in ${rounds} rounds, ${(report.tookMs / 60_000).toFixed(1)} minutes, seed ${report.seed}`,
  );
  log(
    `${sum(indices, ({ churn }) => churn.operations)} operations acknowledged, ${sum(refused, Number)} refused, ${sum(indices, ({ churn }) => churn.unanswered)} without an answer`,
  );
  const peaks = peaksMib.map((mib) => (mib === null ? 'memory not measured' : `${Math.round(mib)} MiB at most`));
  log(`supervisors: ${peaks.join(', ')}`);
  log(
    `since their last start: ${sum(pairs, (pair) => pair.conflicts)} conflicts, ${sum(pairs, (pair) => pair.foreignWrites)} writes that the ledger did not expect, ${sum(pairs, (pair) => pair.scanSurprises)} scans that found other than the counts said`,
  );
  for (const { index, comparison, verified } of indices)
    log(
      `${index}: ${comparison?.leftDocuments ?? '?'} documents on the leader, ${comparison?.rightDocuments ?? '?'} on the follower; verify --content: ${verified}`,
    );
  log(faulty.length === 0 ? 'identical' : `FAILED\n${faulty.join('\n')}`);
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  console.error(`--${name} ${text}: expected a number above 0`);
  process.exit(64);
}
