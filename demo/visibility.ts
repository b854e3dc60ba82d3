/** Measures how long an operation takes from the leader's acknowledgement until a realtime read on the follower shows it. */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { callCluster, type ClusterAddress } from './cluster-call.ts';

export interface Percentiles {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface VisibilityReport {
  readonly writes: Percentiles;
  /** Deletes take another way than writes, so they are told apart. */
  readonly deletes: Percentiles;
  /** Samples that were not seen before `stop`'s deadline. */
  readonly unseen: number;
}

export interface VisibilityProbe {
  /** Documents not seen yet. Changed once more, they might never be seen as watched: the follower need not show every version. */
  waitsFor(id: string): boolean;
  /** Takes note of an operation at the moment of its acknowledgement. */
  watch(operation: { id: string; revision: number; deleted: boolean }): void;
  /** Waits for the operations that are not seen yet, at most `waitMs`. */
  stop(waitMs: number): Promise<VisibilityReport>;
}

interface Watched {
  readonly id: string;
  readonly revision: number;
  readonly deleted: boolean;
  readonly acknowledgedMs: number;
}

/** One request asks for so many writes and deletes, the oldest of each. */
const ASKED_MAX = 50;
/** Measured times are up to this much, and the request itself, too long. */
const POLL_MS = 10;

/** @param follower its documents carry a `revision` that rises with every change of a document, its re-creation included. */
export function probeVisibility(follower: ClusterAddress & { index: string }): VisibilityProbe {
  const writes = { watched: new Set<Watched>(), seenAfterMs: [] as number[] };
  const deletes = { watched: new Set<Watched>(), seenAfterMs: [] as number[] };
  const ids = new Set<string>();
  const waiting = (): number => writes.watched.size + deletes.watched.size;
  const path = `/${encodeURIComponent(follower.index)}/_mget?_source_includes=revision&filter_path=docs.found,docs._source`;
  let stopped = false;

  async function look(): Promise<void> {
    const asked = [writes, deletes].flatMap(({ watched }) => [...watched].slice(0, ASKED_MAX));
    const body = JSON.stringify({ ids: asked.map(({ id }) => id) });
    const answer = JSON.parse(await callCluster(follower, { method: 'POST', path, body })) as {
      docs: { found?: boolean; _source?: { revision: number } }[];
    };
    const nowMs = performance.now();
    asked.forEach((one, at) => {
      const document = answer.docs[at];
      const isSeen = one.deleted
        ? document?.found === false || revisionOf(document) > one.revision
        : revisionOf(document) >= one.revision;
      if (!isSeen) return;
      const { watched, seenAfterMs } = one.deleted ? deletes : writes;
      watched.delete(one);
      ids.delete(one.id);
      seenAfterMs.push(nowMs - one.acknowledgedMs);
    });
  }

  const polling = (async () => {
    while (!stopped) {
      // A follower that is away for a moment costs samples their time, not the measurement.
      if (waiting() > 0) await look().catch(() => undefined);
      await sleep(POLL_MS);
    }
  })();

  return {
    waitsFor: (id) => ids.has(id),
    watch({ id, revision, deleted }) {
      ids.add(id);
      (deleted ? deletes : writes).watched.add({ id, revision, deleted, acknowledgedMs: performance.now() });
    },
    async stop(waitMs) {
      const deadlineMs = performance.now() + waitMs;
      while (waiting() > 0 && performance.now() < deadlineMs) await sleep(POLL_MS);
      stopped = true;
      await polling;
      return { writes: percentiles(writes.seenAfterMs), deletes: percentiles(deletes.seenAfterMs), unseen: waiting() };
    },
  };
}

function revisionOf(document: { _source?: { revision: number } } | undefined): number {
  return document?._source?.revision ?? -1;
}

/** Nearest rank; all 0 without samples. */
export function percentiles(timesMs: readonly number[]): Percentiles {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0) * 10) / 10;
  return { samples: sorted.length, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), maxMs: at(1) };
}
