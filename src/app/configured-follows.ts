import type { FollowEntry } from '../config/config.ts';
import { backoffMs } from '../domain/backoff.ts';
import type { IndexStatus, ListedIndex, Page, ServedSurface, StatusQuery } from '../domain/commands.ts';
import { failureOf, type Failure } from '../domain/failure.ts';
import { indexMatcher } from '../domain/index-name.ts';
import { indexKey, shownIndex } from '../domain/names.ts';
import { listPage, statusPage } from '../domain/pages.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import type { Clock } from '../ports/clock.ts';
import type { Narrator } from '../ports/narrator.ts';
import type { Random } from '../ports/random.ts';
import { Semaphore } from '../replication/semaphore.ts';

export interface ConfiguredFollowsOptions {
  readonly entries: readonly FollowEntry[];
  readonly defaults: FollowParameters;
  readonly surface: ServedSurface;
  readonly clock: Clock;
  readonly random: Random;
  readonly narrator: Narrator;
}

export interface ConfiguredFollows {
  /** What was given, with the entries that are not followed yet in its status and list. */
  readonly surface: ServedSurface;
  /** Tries until every entry is followed or refused for good. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** Entries of the same two clusters tried at once: many do not flood them, and a cluster that does not answer holds up no other. */
const AT_ONCE = 8;

interface Waiting {
  readonly entry: FollowEntry;
  /** Why the last try failed; undefined before the first. */
  failure: Failure | undefined;
}

/**
 * Follows what the configuration lists and is not followed yet. A supervisor starts while clusters are away and before leader indices are
 * there, so an entry waits for both, with back-off; one that is refused for another reason is shown with it until the next start.
 */
export function configuredFollows(options: ConfiguredFollowsOptions): ConfiguredFollows {
  const { entries, surface } = options;
  const waiting = new Map(
    entries.map((entry): [string, Waiting] => [indexKey(entry.follower), { entry, failure: undefined }]),
  );
  const rooms = new Map<string, Semaphore>();
  const roomOf = ({ leader, follower }: FollowEntry): Semaphore => {
    const clusters = `${leader.cluster}/${follower.cluster}`;
    const room = rooms.get(clusters) ?? new Semaphore(AT_ONCE);
    rooms.set(clusters, room);
    return room;
  };
  return {
    surface: surfaceWith(surface, () => [...waiting.values()].map(listed)),
    run: async (signal) => {
      const tries = [...waiting].map(async ([key, one]) => {
        if (await followAtLast(one, { ...options, room: roomOf(one.entry) }, signal)) waiting.delete(key);
      });
      await Promise.all(tries);
    },
  };
}

/** True when the entry is followed; false when it was refused, or the signal ended it. */
async function followAtLast(
  waiting: Waiting,
  { surface, defaults, clock, random, narrator, room }: ConfiguredFollowsOptions & { readonly room: Semaphore },
  signal: AbortSignal,
): Promise<boolean> {
  const { entry } = waiting;
  const capMs = { ...defaults, ...entry.parameters }.max_retry_delay_ms;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await room.use(signal, () => surface.follow({ ...entry, by: 'configuration' }));
      return true;
    } catch (thrown) {
      if (signal.aborted) return false;
      const failure = failureOf(thrown, 'follow');
      if (failure.code === 'already_followed') return true;
      const again = isPassing(failure);
      // Once for each cause: a cluster that is away for a day is one line.
      if (failure.code !== waiting.failure?.code)
        narrator.log(again ? 'warn' : 'error', 'could not follow what the configuration lists', {
          follower: shownIndex(entry.follower),
          triedAgain: again,
          failure,
        });
      waiting.failure = failure;
      if (!again) return false;
    }
    try {
      await clock.sleep(backoffMs(attempt, capMs, random.next()), signal);
    } catch {
      return false;
    }
  }
}

function isPassing({ code, kind }: Failure): boolean {
  return kind === 'transient' || kind === 'conflict' || code === 'leader_missing' || code === 'leader_closed';
}

function listed({ entry: { leader, follower }, failure }: Waiting): ListedIndex {
  const state = failure === undefined || isPassing(failure) ? 'not followed yet' : 'not followed';
  return {
    leader,
    follower,
    state: failure === undefined ? state : `${state}: ${failure.code}: ${sideOf(failure)}${failure.reason}`,
    shards: 0,
    followerShards: null,
    aligned: null,
    ...(failure === undefined ? {} : { failure }),
  };
}

function sideOf({ cluster }: Failure): string {
  return cluster === undefined ? '' : `cluster ${cluster}: `;
}

function surfaceWith(surface: ServedSurface, waiting: () => readonly ListedIndex[]): ServedSurface {
  const { pages } = surface;
  /** Up to where the page ends all that is followed is in it, so what is not there is not followed. */
  const besides = ({ items, next }: Page<ListedIndex>): readonly ListedIndex[] => {
    const keys = new Set(items.map(({ follower }) => indexKey(follower)));
    return waiting().filter(({ follower }) => {
      const key = indexKey(follower);
      return !keys.has(key) && (next === undefined || key <= next);
    });
  };
  const besidesOf = ({ follower }: StatusQuery, known: Page<IndexStatus>): readonly IndexStatus[] => {
    const matches = indexMatcher(follower?.index ?? '*');
    return besides(known)
      .filter((one) => follower === undefined || one.follower.cluster === follower.cluster)
      .filter((one) => matches(one.follower.index))
      .map((one) => ({ ...one, pairs: [] }));
  };
  return {
    follow: (command) => surface.follow(command),
    unfollow: (command) => surface.unfollow(command),
    pause: (command) => surface.pause(command),
    resume: (command) => surface.resume(command),
    retryQuarantine: (command) => surface.retryQuarantine(command),
    repair: (command) => surface.repair(command),
    pages: {
      quarantine: (query, wanted) => pages.quarantine(query, wanted),
      list: async (wanted) => {
        const known = await pages.list(wanted);
        return listPage([...known.items, ...besides(known)], { ...wanted, end: known.next });
      },
      status: async (query, wanted) => {
        try {
          const known = await pages.status(query, wanted);
          return statusPage([...known.items, ...besidesOf(query, known)], { ...wanted, end: known.next });
        } catch (thrown) {
          const meant = besidesOf(query, { items: [], next: undefined });
          if (meant.length === 0 || failureOf(thrown, 'status').code !== 'unknown_pair') throw thrown;
          return statusPage(meant, wanted);
        }
      },
    },
  };
}
