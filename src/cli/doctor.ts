import type { Finding } from '../app/program.ts';
import type { Command } from './command.ts';
import { exitOf, exitOfSignal } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { oneLine, painter, type Colour } from './text.ts';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const satisfies Record<Finding['outcome'], Colour>;

export const doctor: Command = {
  name: 'doctor',
  summary: 'Look at everything a supervisor needs, and say what is wrong and what to do.',
  usage: '',
  positionals: { min: 0, max: 0 },
  flags: [],
  details:
    'Looks at the configuration, each cluster (reachable, version, privileges, clock) and NATS (program or address, version, JetStream and its limits, the journal, what a power cut may lose, clock), and changes nothing. ok: fine. warn: works, and may not go on to. fail: has to be put right; the exit code is that of the first failure, else 0. Privileges on indices are looked at for what is followed or listed in the configuration.',
  examples: [
    ['slipstream doctor', 'before the first start, and whenever something is odd'],
    ['slipstream doctor --json', 'for monitoring'],
  ],
  async run({ config, deps, say, answer }) {
    const loaded = await config();
    using stop = interruption(deps);
    const findings = await deps.diagnose(loaded, stop.signal);
    const by = stop.by();
    if (by !== undefined) return exitOfSignal(by);
    const failures = findings.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
    answer({ healthy: failures.length === 0, findings }, failures[0]);
    const paint = painter(deps);
    for (const { subject, check, outcome, detail, hint } of findings) {
      say(`${paint(COLOURS[outcome], outcome.padEnd(4))}  ${subject}: ${check}: ${oneLine(detail)}\n`);
      if (outcome !== 'ok' && hint !== undefined) say(`      next: ${oneLine(hint)}\n`);
    }
    const [first] = failures;
    return first === undefined ? 'ok' : exitOf(first);
  },
};
