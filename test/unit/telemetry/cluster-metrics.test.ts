import assert from 'node:assert/strict';
import { it } from 'node:test';
import { failed } from '../../../src/domain/failure.ts';
import type { Outage } from '../../../src/domain/outage.ts';
import { telemetryBench } from '../../support/telemetry-bench.ts';

const { failure } = failed('cluster_unreachable', { op: 'probe', cluster: 'main', reason: 'refused' });

it('metrics tell for each cluster whether it is away, and how many pairs wait for it', async () => {
  const bench = telemetryBench({});
  const away: Outage = { cluster: 'main', sinceMs: 0, probes: 3, waiting: 40, failure };
  let asked = 0;
  const end = bench.narrator.observeStatus(
    () => [],
    () => {
      asked += 1;
      return new Map([
        ['main', away],
        ['replica', undefined],
      ]);
    },
  );
  const read = async (): Promise<unknown[]> =>
    (await bench.points())
      .filter(({ metric }) => metric.startsWith('slipstream.cluster.'))
      .map(({ metric, attributes, value }) => [metric, attributes['db.namespace'], Number(value) > 0 ? 'some' : value]);
  assert.deepEqual(await read(), [
    ['slipstream.cluster.away', 'main', 'some'],
    ['slipstream.cluster.away', 'replica', 0],
    ['slipstream.cluster.waiting', 'main', 'some'],
    ['slipstream.cluster.waiting', 'replica', 0],
  ]);
  end();
  await read();
  assert.equal(asked, 1);
});
