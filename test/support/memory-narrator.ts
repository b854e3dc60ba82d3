import type { Failure } from '../../src/domain/failure.ts';
import type { CycleKind, Narrator } from '../../src/ports/narrator.ts';

type Transition = Parameters<Narrator['transition']>[0];
type StateLeft = Parameters<Narrator['stateLeft']>[0];
type Level = Parameters<Narrator['log']>[0];

export interface ToldCycle {
  readonly kind: CycleKind;
  readonly pair: string;
  readonly runTraceId: string | undefined;
  attributes: Readonly<Record<string, string | number | boolean>>;
  ended: boolean;
  failure?: Failure;
}

/** Keeps all it is told, in order. Needs no clock and no random numbers: ids are counted. */
export interface MemoryNarrator extends Narrator {
  readonly runs: { readonly pair: string; readonly traceId: string; readonly previousTraceId: string | undefined }[];
  readonly transitions: { readonly event: Transition; readonly traceId: string; readonly spanId: string }[];
  readonly states: StateLeft[];
  readonly cycles: ToldCycle[];
  readonly counts: {
    readonly metric: string;
    readonly value: number;
    readonly attributes: Readonly<Record<string, string | number>>;
  }[];
  readonly logs: {
    readonly level: Level;
    readonly message: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[];
  /** Sum of what was counted under a name. */
  total(metric: string): number;
}

export function memoryNarrator(): MemoryNarrator {
  let ids = 0;
  const nextId = (digits: number): string => (ids += 1).toString(16).padStart(digits, '0');
  const narrator: MemoryNarrator = {
    runs: [],
    transitions: [],
    states: [],
    cycles: [],
    counts: [],
    logs: [],
    startRun(pair, previousTraceId) {
      const traceId = nextId(32);
      narrator.runs.push({ pair, traceId, previousTraceId });
      return traceId;
    },
    transition(event, traceId) {
      const trace = { traceId, spanId: nextId(16) };
      narrator.transitions.push({ event, ...trace });
      return trace;
    },
    stateLeft: (details) => void narrator.states.push(details),
    span(kind, pair, runTraceId) {
      const cycle: ToldCycle = { kind, pair, runTraceId, attributes: {}, ended: false };
      narrator.cycles.push(cycle);
      return {
        set: (attributes) => void (cycle.attributes = { ...cycle.attributes, ...attributes }),
        end(failure) {
          if (cycle.ended) return;
          cycle.ended = true;
          if (failure !== undefined) cycle.failure = failure;
        },
      };
    },
    count: (metric, value, attributes = {}) => void narrator.counts.push({ metric, value, attributes }),
    log: (level, message, fields = {}) => void narrator.logs.push({ level, message, fields }),
    total: (metric) =>
      narrator.counts.filter((count) => count.metric === metric).reduce((sum, count) => sum + count.value, 0),
  };
  return narrator;
}
