/** What differs between engines. Callers read flags; nothing else in the product names an engine. */
export interface Capabilities {
  /** `_version` can be sorted on and aggregated. */
  readonly versionAggregates: boolean;
  readonly pitDialect: 'elasticsearch' | 'opensearch';
  /** Vectors are left out of `_source` unless a search says `exclude_vectors: false`; where the option is unknown it is a 400. */
  readonly excludeVectorsOption: boolean;
}

export interface Engine {
  readonly distribution: 'elasticsearch' | 'opensearch';
  /** `9.4.3` */
  readonly version: string;
}

export function capabilitiesOf({ distribution, version }: Engine): Capabilities {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (distribution === 'opensearch') {
    return {
      // 3.8.0: 400 "Fielddata is not supported on field [_version] of type [_version]" for sort, aggregation and script.
      versionAggregates: false,
      // 3.8.0: `POST /i/_search/point_in_time`; `/_pit` is 400 "no handler found".
      pitDialect: 'opensearch',
      // 3.8.0 returns vectors in `_source` as they were sent.
      excludeVectorsOption: false,
    };
  }
  return {
    // 9.4.3: exact up to 2^53-1 (range and histogram aggregations, sort with search_after); integration test `histogram`.
    versionAggregates: true,
    pitDialect: 'elasticsearch',
    // The option came with the new default, in 9.2.
    excludeVectorsOption: major > 9 || (major === 9 && minor >= 2),
  };
}
