import { SimRandom } from '../../support/sim-random.ts';

/** The clusters. */
export const LEADER = 'main';
export const FOLLOWER = 'replica';
/** Few, since each is claimed anew by whoever owns it next, which takes steps. */
export const SLOTS = 4;

/** What may go wrong while a seed runs; each is a share of calls, or of the moments at which something may happen. */
export interface ControlFaults {
  /** Of requests to the journal and to the store of answers: lost before or after they ran, run late, twice, or slow. */
  readonly call: number;
  /** Of calls of any port: the process dies before or after it ran. */
  readonly crash: number;
  /** Of requests to the store of leases: lost before or after they ran, twice, or slow. */
  readonly lease: number;
  /** Of moments: a supervisor does not want a slot any more. */
  readonly shun: number;
  /** Of calls to search clusters: slow, or lost. */
  readonly search: number;
  /** Of commands on their way: lost, their answer lost, delivered twice, slow. */
  readonly command: number;
  /** The rest, of moments. */
  readonly kill: number;
  readonly restart: number;
  readonly partition: number;
  readonly journalFull: number;
  readonly purge: number;
  readonly clockJump: number;
  readonly suspension: number;
  readonly illness: number;
  readonly clusterAway: number;
  /** The store of leases was killed, and what had ended stands in it again. */
  readonly resurrection: number;
}

export interface ControlOptions {
  readonly seed: number;
  /** Supervisors at once. */
  readonly supervisors: number;
  /** Of each leader index. */
  readonly shards: readonly number[];
  readonly troubledMs: number;
  /** Between two commands of the clients, at most. */
  readonly commandPauseMs: number;
  readonly documentPauseMs: number;
  /** Share of the documents that the follower refuses for what they are. */
  readonly refusedShare: number;
  readonly onMissingHistory: 'rebootstrap' | 'fail';
  /** How the process is brought to a fresh start when the troubles are over. */
  readonly lastStart: 'none' | 'restart' | 'crash';
  readonly faults: ControlFaults;
}

/** Which faults a seed has at all is drawn too, so that each meets quiet company now and then. */
export function drawControlOptions(seed: number): ControlOptions {
  const random = new SimRandom(seed * 6361 + 29);
  const sometimes = (share: number, most: number): number => (random.chance(share) ? random.next() * most : 0);
  const shun = sometimes(0.2, 0.02);
  return {
    seed,
    supervisors: random.pick(1, 2, 3, 3),
    shards: random.pick([1], [2], [1, 1], [1, 2]),
    // Some live long enough for history to be purged that nobody asks for any more.
    troubledMs: random.chance(0.03)
      ? 16_000
      : random.chance(0.25)
        ? random.between(1500, 5000)
        : random.between(600, 1500),
    commandPauseMs: random.pick(200, 600),
    documentPauseMs: random.pick(400, 1500),
    refusedShare: random.chance(0.3) ? 0.3 : 0,
    onMissingHistory: random.pick('rebootstrap', 'fail'),
    // What a supervisor does not want it does not want until it ends.
    lastStart: shun > 0 ? random.pick('restart', 'crash') : random.pick('none', 'restart', 'crash'),
    faults: {
      call: sometimes(0.6, 0.25),
      crash: sometimes(0.5, 0.02),
      lease: sometimes(0.5, 0.3),
      shun,
      search: sometimes(0.5, 0.05),
      command: sometimes(0.6, 0.4),
      kill: sometimes(0.3, 0.04),
      restart: sometimes(0.3, 0.04),
      partition: sometimes(0.3, 0.04),
      journalFull: sometimes(0.2, 0.04),
      purge: sometimes(0.4, 0.1),
      clockJump: sometimes(0.3, 0.1),
      suspension: sometimes(0.2, 0.03),
      illness: sometimes(0.7, 0.35),
      clusterAway: sometimes(0.15, 0.02),
      resurrection: sometimes(0.3, 0.03),
    },
  };
}
