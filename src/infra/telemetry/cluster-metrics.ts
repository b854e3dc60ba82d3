import type { Meter } from '@opentelemetry/api';
import type { Outage } from '../../domain/outage.ts';
import { exported } from './attributes.ts';

/**
 * Gauges that ask for the outages of all clusters whenever metrics are read.
 * @returns ends the asking.
 */
export function observeOutages(
  meter: Meter,
  outages: () => ReadonlyMap<string, Outage | undefined>,
  nowMs: () => number,
): () => void {
  const away = meter.createObservableGauge('slipstream.cluster.away', {
    unit: 's',
    description: 'Since when the cluster has not answered as a whole; 0 while it answers',
  });
  const waiting = meter.createObservableGauge('slipstream.cluster.waiting', {
    unit: '{pair}',
    description: 'Pairs that wait for the cluster to answer',
  });
  const observe: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    for (const [cluster, outage] of outages()) {
      const labels = exported({ cluster }, 'metric', () => undefined);
      result.observe(away, outage === undefined ? 0 : Math.max(0.001, (nowMs() - outage.sinceMs) / 1000), labels);
      result.observe(waiting, outage?.waiting ?? 0, labels);
    }
  };
  meter.addBatchObservableCallback(observe, [away, waiting]);
  return () => meter.removeBatchObservableCallback(observe, [away, waiting]);
}
