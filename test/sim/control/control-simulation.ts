import { Violation } from '../sim-checkers.ts';
import { ControlCheckers } from './control-checkers.ts';
import { ControlClients } from './control-clients.ts';
import type { ControlOptions } from './control-options.ts';
import { ControlTroubles } from './control-troubles.ts';
import { type ControlWrapper, ControlWorld } from './control-world.ts';
import { duringSteps, settled } from '../in-steps.ts';

export interface ControlReport {
  readonly seed: number;
  /** What did not hold; undefined: everything did. */
  readonly violation: string | undefined;
  /** Timers that ran, each with everything that it set off. */
  readonly steps: number;
  readonly virtualMs: number;
  readonly lives: number;
  readonly events: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly transitions: ReadonlyMap<string, number>;
  readonly checks: Readonly<Record<string, number>>;
}

export interface ControlRun {
  readonly wrap?: ControlWrapper;
  /** Hears of every step that is worth telling. */
  readonly tell?: (line: string) => void;
}

const HEALED_WITHIN_MS = 10 * 60_000;
const STEPS_MAX = 100_000;

/** Runs one seed to its end: troubles first, then none, and everything has to be as the journal says. Never throws for a violation. */
export async function simulateControl(
  options: ControlOptions,
  { wrap, tell }: ControlRun = {},
): Promise<ControlReport> {
  const world = new ControlWorld(options, wrap ?? ((ports) => ports), tell);
  const checkers = new ControlCheckers(world);
  world.record = (log) => checkers.recording(log);
  world.network.sent = (caller, cluster, method, args) => checkers.sent(caller, cluster, method, args);
  world.require = (ports) => checkers.requiring(ports);
  const clients = new ControlClients(world, checkers);
  const troubles = new ControlTroubles(world);
  const violation = await play({ world, checkers, clients, troubles }).then(
    () => undefined,
    (thrown: unknown) => (thrown instanceof Violation ? thrown.message : told(thrown)),
  );
  return {
    seed: options.seed,
    violation,
    steps: world.clock.steps,
    virtualMs: world.clock.monotonic(),
    lives: world.lives,
    events: checkers.events,
    faults: world.network.drawn,
    transitions: checkers.transitions,
    checks: checkers.made,
  };
}

interface Stage {
  readonly world: ControlWorld;
  readonly checkers: ControlCheckers;
  readonly clients: ControlClients;
  readonly troubles: ControlTroubles;
}

async function play(stage: Stage): Promise<void> {
  const { world, checkers, clients, troubles } = stage;
  const { clock, options } = world;
  troubles.start();
  clients.start();
  await step(stage, () => clock.monotonic() >= options.troubledMs);
  world.told('the troubles are over');
  troubles.end();
  clients.end();
  // What is still on its way has arrived by then, and everybody has had his answer.
  const quietMs = clock.monotonic() + 2100;
  await step(stage, () => {
    troubles.keepAlive();
    return clock.monotonic() >= quietMs && clients.quiet;
  });
  if (options.lastStart !== 'none')
    for (const process of world.processes)
      if (options.lastStart === 'crash') process.crash();
      else troubles.restart(process);
  const deadlineMs = clock.monotonic() + HEALED_WITHIN_MS;
  await step(stage, () => {
    troubles.keepAlive();
    const wrong = checkers.unsettled();
    if (wrong === undefined) return true;
    if (clock.monotonic() > deadlineMs) throw new Violation(`it does not come right: ${wrong}`);
    return false;
  });
  await checkers.end();
  for (const process of world.processes) {
    const left = await duringSteps((end) => step(stage, end), process.stop());
    if (left > 0) throw new Violation(`${left} timers are left after a stop`);
  }
}

/** Runs timer after timer, with everything that they set off, until the end is reached. */
async function step({ world, checkers, troubles }: Stage, end: () => boolean): Promise<void> {
  for (let polledMs = -1; ;) {
    if (world.clock.monotonic() > polledMs + 20) {
      if (end()) return;
      polledMs = world.clock.monotonic();
    }
    if (!world.clock.runNext()) {
      if (end()) return;
      // The last poll may have started something.
      if (world.clock.pending === 0) throw new Violation('nothing is left to happen');
      continue;
    }
    await settled();
    if (checkers.violation === undefined) checkers.now();
    if (checkers.violation !== undefined) throw checkers.violation;
    if (troubles.defect !== undefined) throw troubles.defect;
    if (world.clock.steps > STEPS_MAX) throw new Violation(`no end after ${STEPS_MAX} steps`);
  }
}

function told(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
