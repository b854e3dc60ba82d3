import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { capabilitiesOf } from '../../../src/infra/search/capabilities.ts';

describe('capabilities of an engine', () => {
  it('have versions aggregated on Elasticsearch, and points in time in its dialect', () => {
    for (const version of ['8.19.8', '9.4.3', '10.0.0']) {
      const { versionAggregates, pitDialect } = capabilitiesOf({ distribution: 'elasticsearch', version });
      assert.deepEqual([versionAggregates, pitDialect], [true, 'elasticsearch']);
    }
    const { versionAggregates, pitDialect } = capabilitiesOf({ distribution: 'opensearch', version: '3.8.0' });
    assert.deepEqual([versionAggregates, pitDialect], [false, 'opensearch']);
  });

  it('have the option about vectors from Elasticsearch 9.2 on', () => {
    const option = (distribution: 'elasticsearch' | 'opensearch', version: string): boolean =>
      capabilitiesOf({ distribution, version }).excludeVectorsOption;
    const versions = ['8.19.8', '9.0.0', '9.1.9', '9.2.0', '9.10.0', '10.0.0-SNAPSHOT'];
    assert.deepEqual(
      versions.map((version) => option('elasticsearch', version)),
      [false, false, false, true, true, true],
    );
    assert.equal(option('opensearch', '3.8.0'), false);
  });
});
