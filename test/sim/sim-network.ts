import { failed, type Failed } from '../../src/domain/failure.ts';
import type { CallFate } from '../support/unreliable-port.ts';
import type { SimRandom } from '../support/sim-random.ts';
import type { SimOptions } from './sim-options.ts';

const WRITES = new Set([
  'bulk',
  'save',
  'remove',
  'put',
  'flush',
  'createIndex',
  'putMapping',
  'putSettings',
  'updateAliases',
  'putPipeline',
]);
/** A request to change metadata that runs late would only be tried again; those that change data are what matters. */
const LATE = new Set(['bulk', 'save', 'put']);

interface FaultyCall {
  readonly cluster: string;
  readonly method: string;
  readonly there: number;
  readonly back: number;
  readonly late: boolean;
}

/** Draws what becomes of each call, and counts what was drawn. */
export class SimNetwork {
  readonly #options: SimOptions;
  readonly #random: SimRandom;
  readonly drawn = new Map<string, number>();
  faulty = true;

  constructor(options: SimOptions, random: SimRandom) {
    this.#options = options;
    this.#random = random;
  }

  readonly fate = (cluster: string, method: string): CallFate => {
    const { latencyMs, faults } = this.#options;
    const there = this.#random.between(1, latencyMs);
    const back = there + this.#random.between(1, latencyMs);
    // Closing a view is never told to have failed.
    const late = method === 'bulk' && this.#random.chance(faults.lateBulk);
    if (!this.faulty || method === 'closeView' || !(late || this.#random.chance(faults.call)))
      return { runsAfterMs: there, answersAfterMs: back };
    const { kind, fate } = this.#fault({ cluster, method, there, back, late });
    this.count(kind);
    return fate;
  };

  count(kind: string): void {
    this.drawn.set(kind, (this.drawn.get(kind) ?? 0) + 1);
  }

  #fault({ cluster, method, there, back, late }: FaultyCall): { kind: string; fate: CallFate } {
    const { requestTimeoutMs, zombieMs } = this.#options;
    const random = this.#random;
    const ambiguous = WRITES.has(method);
    const why = (code: 'cluster_unreachable' | 'answer_cut' | 'request_timeout'): Failed =>
      failed(code, { op: method, cluster, reason: `${method} failed`, ...(ambiguous ? { ambiguous } : {}) });
    const any = random.pick(
      'refused',
      'busy',
      'lost before',
      'lost after',
      'cut',
      'slow',
      'timeout',
      'late',
      'partial',
    );
    const kind = late ? 'late' : any;
    switch (kind) {
      case 'refused':
        return { kind, fate: never(there, failed('cluster_unreachable', { op: method, cluster, reason: 'refused' })) };
      case 'busy':
        return {
          kind,
          fate: never(back, failed('cluster_busy', { op: method, cluster, reason: 'rejected', status: 429 })),
        };
      case 'lost before':
        return { kind, fate: never(back, why('cluster_unreachable')) };
      case 'lost after':
        return { kind, fate: { runsAfterMs: there, answersAfterMs: back, failure: why('cluster_unreachable') } };
      case 'cut':
        return { kind, fate: { runsAfterMs: there, answersAfterMs: back, failure: why('answer_cut') } };
      case 'slow':
        return { kind, fate: { runsAfterMs: there * 20, answersAfterMs: back * 20 } };
      case 'partial':
        if (ambiguous) return { kind: 'slow', fate: { runsAfterMs: there * 20, answersAfterMs: back * 20 } };
        return {
          kind,
          fate: {
            runsAfterMs: there,
            answersAfterMs: back,
            failure: failed('partial_answer', { op: method, cluster, reason: 'timed out' }),
          },
        };
      case 'timeout':
        return {
          kind,
          fate: { runsAfterMs: undefined, answersAfterMs: requestTimeoutMs, failure: why('request_timeout') },
        };
      case 'late':
        if (!LATE.has(method)) return { kind: 'lost before', fate: never(back, why('cluster_unreachable')) };
        // After its caller has given up, and at most that long after.
        return {
          kind,
          fate: {
            runsAfterMs: back + random.below(method === 'bulk' ? zombieMs : requestTimeoutMs),
            answersAfterMs: back,
            failure: why('cluster_unreachable'),
          },
        };
    }
  }
}

function never(answersAfterMs: number, failure: Failed): CallFate {
  return { runsAfterMs: undefined, answersAfterMs, failure };
}
