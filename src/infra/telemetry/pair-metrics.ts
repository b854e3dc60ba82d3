import type { Meter, ObservableGauge } from '@opentelemetry/api';
import type { PairStatus } from '../../domain/commands.ts';
import type { Lifecycle } from '../../domain/journal.ts';
import { indexKey, pairKey } from '../../domain/names.ts';
import { exported } from './attributes.ts';

const LIFECYCLES: readonly Lifecycle[] = ['bootstrapping', 'following', 'retrying', 'paused', 'fatal'];

/**
 * Which pair a metric speaks of. Up to `pairsMax` pairs have values of their own; above that the pairs of an index share them, so
 * that thousands of shards do not become thousands of time series.
 */
export interface PairLabels {
  /** @param pair `cluster/index/shard`. */
  of(pair: string): Readonly<Record<string, string>>;
  /** Labels of many pairs at once: all have their own value, or none. */
  ofAll(statuses: readonly PairStatus[]): ReadonlyMap<PairStatus, string>;
}

export function pairLabels(pairsMax: number): PairLabels {
  const own = new Set<string>();
  return {
    of(pair) {
      if (!own.has(pair) && own.size < pairsMax) own.add(pair);
      return own.has(pair) ? { pair } : { pair: pair.slice(0, Math.max(pair.lastIndexOf('/'), 0)) };
    },
    ofAll(statuses) {
      const each = statuses.length <= pairsMax;
      return new Map(statuses.map((status) => [status, each ? pairKey(status) : indexKey(status.follower)]));
    },
  };
}

interface Reading {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  /** Null: unknown now. */
  readonly value: (status: PairStatus) => number | null;
  readonly join: (a: number, b: number) => number;
}

const sum = (a: number, b: number): number => a + b;

const READINGS: readonly Reading[] = [
  {
    name: 'lag.operations',
    unit: '{operation}',
    description: 'Operations of the leader that are not applied yet',
    value: (s) => s.lagOperations,
    join: sum,
  },
  {
    name: 'lag.time',
    unit: 's',
    description: 'Age of the oldest change that is not applied',
    value: (s) => s.lagSeconds,
    join: Math.max,
  },
  {
    name: 'throughput.operations',
    unit: '{operation}/s',
    description: 'Operations written to the follower',
    value: (s) => s.operationsPerSecond,
    join: sum,
  },
  {
    name: 'throughput.io',
    unit: 'By/s',
    description: 'Bytes read from the leader',
    value: (s) => s.bytesPerSecond,
    join: sum,
  },
  {
    name: 'deletes.outstanding',
    unit: '{document}',
    description: 'Deletes known to be outstanding',
    value: (s) => s.outstandingDeletes,
    join: sum,
  },
  {
    name: 'quarantine.documents',
    unit: '{document}',
    description: 'Documents that the follower refuses',
    value: (s) => s.quarantined,
    join: sum,
  },
  {
    name: 'bootstrap.progress',
    unit: '1',
    description: 'Share of the first copy that is done',
    value: (s) => s.progress,
    join: Math.min,
  },
];

/**
 * Gauges that ask for the status of all pairs whenever metrics are read.
 * @returns ends the asking.
 */
export function observeStatus(meter: Meter, labels: PairLabels, status: () => readonly PairStatus[]): () => void {
  const gauges = READINGS.map((reading): [Reading, ObservableGauge] => [
    reading,
    meter.createObservableGauge(`slipstream.${reading.name}`, { unit: reading.unit, description: reading.description }),
  ]);
  const states = meter.createObservableGauge('slipstream.pair.state', {
    unit: '{pair}',
    description: 'Pairs in each state',
  });
  const drop = (): void => undefined;
  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    const statuses = status();
    const labelled = labels.ofAll(statuses);
    const groups = Map.groupBy(statuses, (pair) => labelled.get(pair) ?? '');
    for (const [pair, members] of groups) {
      for (const [{ value, join }, gauge] of gauges) {
        const known = members.map(value).filter((reading) => reading !== null);
        if (known.length > 0)
          result.observe(
            gauge,
            known.reduce((a, b) => join(a, b)),
            exported({ pair }, 'metric', drop),
          );
      }
      for (const state of LIFECYCLES) {
        result.observe(
          states,
          members.filter((member) => member.state === state).length,
          exported({ pair, state }, 'metric', drop),
        );
      }
    }
  };
  const instruments = [states, ...gauges.map(([, gauge]) => gauge)];
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}
