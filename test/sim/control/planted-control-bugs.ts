import { Failed, failed } from '../../../src/domain/failure.ts';
import type { PairSnapshot } from '../../../src/domain/journal.ts';
import type { EventLog } from '../../../src/ports/event-log.ts';
import type { Ownership } from '../../../src/ports/ownership.ts';
import type { ControlOptions } from './control-options.ts';
import type { ControlPorts, ControlWrapper } from './control-world.ts';

/** A defect that the production code would have, made by what stands between it and its ports; and what the simulation says of it. */
export interface PlantedControlBug {
  readonly name: string;
  readonly wrap: ControlWrapper;
  readonly caughtAs: RegExp;
  /** Where it shows at all only in some company. */
  readonly options?: (options: ControlOptions) => ControlOptions;
}

export const PLANTED_IN_CONTROL: readonly PlantedControlBug[] = [
  {
    name: 'an effect before the append',
    caughtAs: /is told to be at \d+, and is not in the journal|and the journal says undefined/,
    wrap: (ports) =>
      withLog(ports, ({ append, lastSeq }) => ({
        append: async (subject, event, expectedSeq, signal) => {
          const seq = (await lastSeq(signal)) + 1;
          append(subject, event, expectedSeq, signal).catch(() => undefined);
          return seq;
        },
      })),
  },
  {
    name: 'a lost acknowledgement that is taken for a conflict',
    caughtAs: /is told to be in conflict with itself/,
    wrap: (ports) =>
      withLog(ports, ({ append, latestOf }) => ({
        append: async (subject, event, expectedSeq, signal) => {
          try {
            return await append(subject, event, expectedSeq, signal);
          } catch (thrown) {
            if (!(thrown instanceof Failed) || thrown.failure.ambiguous !== true) throw thrown;
            const latest = await latestOf(subject, signal);
            if (latest === undefined || latest.seq <= expectedSeq) throw thrown;
            throw failed('journal_conflict', { op: 'append', reason: `the subject ends at ${latest.seq}` }, thrown);
          }
        },
      })),
  },
  {
    name: 'a fold that ignores the recorded state',
    caughtAs: /lives as .*, and the journal says|it begins at \w+, and the one before it ended at/,
    wrap: (ports) =>
      withLog(ports, ({ latest }) => ({
        latest: async (signal) =>
          (await latest(signal)).map((stored) => {
            if (!('event' in stored) || stored.event.entity !== 'pair') return stored;
            const result: PairSnapshot = { ...stored.event.result, state: stored.event.result.resumeTo };
            return { ...stored, event: { ...stored.event, result } };
          }),
      })),
  },
  {
    name: 'an expected sequence that is not checked',
    caughtAs:
      /it begins at|it stands behind|was decided twice|takes over changes nothing|and the journal ends at|is told to be at \d+, and is not in the journal/,
    wrap: (ports) =>
      withLog(ports, ({ append, latestOf }) => ({
        append: async (subject, event, _expectedSeq, signal) =>
          append(subject, event, (await latestOf(subject, signal))?.seq ?? 0, signal),
      })),
  },
  {
    name: 'pauses that others accepted, and that their owner does not read',
    caughtAs: /knows event \d+, and the journal ends at|was accepted .*, and is lost|does not come right/,
    options: (options) => ({ ...options, supervisors: 3, lastStart: 'none' }),
    wrap: (ports) =>
      withLog(ports, ({ read }) => ({
        read: async function* deaf(filter, options, signal) {
          for await (const stored of read(filter, options, signal))
            if (!options.follow || stored.event.fact.type !== 'PAUSE') yield stored;
        },
      })),
  },
  {
    name: 'command ids that nobody remembers',
    caughtAs: /was decided twice/,
    wrap: ({ answers, ...ports }) => ({
      ...ports,
      answers: {
        claim: async (id, command) => ({ ...(await answers.claim(id, command)), first: true }),
        keep: () => Promise.resolve(),
        page: () => Promise.resolve(undefined),
      },
    }),
  },
  {
    name: 'a new owner under a lower term',
    caughtAs: /has term -?\d+, the one before it -?\d+/,
    wrap: (ports) =>
      withOwnership(ports, ({ start }) => ({
        start: (handlers, signal) =>
          start(
            {
              acquired: (slot, term, released) => handlers.acquired(slot, 1000 - term, released),
              lost: (slot) => handlers.lost(slot),
              give: (slot) => handlers.give(slot),
            },
            signal,
          ),
      })),
  },
  {
    name: 'an owner that writes for as long as it likes',
    caughtAs: /may write slot \d+ at once|and slot \d+ is of/,
    options: several,
    wrap: (ports) =>
      withOwnership(ports, ({ start }) => {
        const own = new Set<number>();
        return {
          start: (handlers, signal) =>
            start(
              {
                acquired(slot, term, released) {
                  own.add(slot);
                  handlers.acquired(slot, term, released);
                },
                lost: () => undefined,
                give: (slot) => handlers.give(slot).finally(() => own.delete(slot)),
              },
              signal,
            ),
          mayWrite: (slot) => own.has(slot),
        };
      }),
  },
  {
    name: 'a state to which the machine does not lead',
    caughtAs: /and the machine goes to/,
    wrap: (ports) =>
      withLog(ports, ({ append }) => ({
        append: (subject, event, expectedSeq, signal) => {
          if (event.entity !== 'pair' || event.fact.type !== 'RECOVERED')
            return append(subject, event, expectedSeq, signal);
          return append(subject, { ...event, result: { ...event.result, state: 'following' } }, expectedSeq, signal);
        },
      })),
  },
  {
    name: 'a pause that is accepted and drained, and never told to be done',
    caughtAs: /does not come right: .* (was paused|knows event \d+, and the journal ends at \d+)/,
    wrap: (ports) =>
      withLog(ports, ({ append }) => ({
        append: (subject, event, expectedSeq, signal) =>
          event.fact.type === 'PAUSED' ? new Promise(() => undefined) : append(subject, event, expectedSeq, signal),
      })),
  },
];

/** Leases that are lost now and then. */
function several(options: ControlOptions): ControlOptions {
  const faults = { ...options.faults, partition: 0.05, suspension: 0.03, lease: 0.2 };
  return { ...options, supervisors: 3, faults };
}

function withOwnership(
  ports: ControlPorts,
  replace: (ownership: Pick<Ownership, 'start'>) => Partial<Ownership>,
): ControlPorts {
  const { ownership } = ports;
  const methods = replace({ start: (handlers, signal) => ownership.start(handlers, signal) });
  const over = new Proxy(ownership, {
    get(target, name) {
      if (name in methods) return Reflect.get(methods, name) as unknown;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
  return { ...ports, ownership: over };
}

/** The journal with some of its methods replaced. */
function withLog(ports: ControlPorts, replace: (log: EventLog) => Partial<EventLog>): ControlPorts {
  const { log } = ports;
  const { journalId, append, latest, lastSeq, latestOf, read, purge } = log;
  const plain = { journalId, append, latest, lastSeq, latestOf, read, purge };
  return { ...ports, log: { ...plain, ...replace(plain) } };
}
