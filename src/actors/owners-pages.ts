import type { Page, PageWanted, QueryPages, ServedSurface } from '../domain/commands.ts';
import { failureOf } from '../domain/failure.ts';
import type { FollowerIndexRef } from '../domain/names.ts';
import { slotOf } from '../domain/slots.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { PageWindow } from './page-window.ts';

/** What the supervisor of a session offers by itself. `waitMs` is that of the command. */
export type Peers = (session: string, waitMs?: number) => ServedSurface;

export interface OwnersQuestion<I, T> {
  readonly peers: Peers;
  readonly window: PageWindow<I>;
  readonly wanted: PageWanted;
  readonly ask: (peer: QueryPages, part: PageWanted) => Promise<Page<T>>;
}

export interface OwnersAnswers<I, T> {
  readonly answers: readonly {
    readonly session: string;
    /** Those that it was asked for. */
    readonly indices: readonly I[];
    readonly items: readonly T[];
  }[];
  /** Where the page has to end, since an answer ends there or the window does. */
  readonly end: string | undefined;
}

/** Of a page: the rows of one that has few are not to be what it ends at. */
const MIN_SHARE = 1 / 16;

/**
 * Asks the live owners of these indices for a part of a page, each for about its share of it. What was asked of one that does not answer is
 * passed over.
 */
export async function pagesOfOwners<I extends { readonly follower: FollowerIndexRef }, T>(
  { ownership, narrator }: Pick<SupervisorPorts, 'ownership' | 'narrator'>,
  { peers, window, wanted, ask }: OwnersQuestion<I, T>,
): Promise<OwnersAnswers<I, T>> {
  const live = new Set(ownership.live().map(({ session }) => session));
  live.delete(ownership.session);
  const byOwner = Map.groupBy(window.indices, ({ follower }) => ownership.ownerOf(slotOf(follower))?.session);
  const count = (indices: readonly I[]): number =>
    indices.reduce((sum, index) => sum + (window.rows.get(index) ?? 0), 0);
  const total = count(window.indices);
  const partBytes = (indices: readonly I[]): number => {
    const share = (count(indices) + 1) / (total + byOwner.size);
    return Math.ceil(wanted.maxBytes * Math.max(MIN_SHARE, share));
  };
  const asked = [...byOwner].map(async ([session, indices]) => {
    if (session === undefined || !live.has(session)) return [];
    try {
      const { items, next } = await ask(peers(session).pages, { ...wanted, maxBytes: partBytes(indices) });
      return [{ session, indices, items, next }];
    } catch (thrown) {
      narrator.log('warn', 'a supervisor does not answer for its shards', {
        session,
        failure: failureOf(thrown, 'ask supervisor'),
      });
      return [];
    }
  });
  const answers = (await Promise.all(asked)).flat();
  const ends = [window.end, ...answers.map(({ next }) => next)].filter((end) => end !== undefined);
  const end = ends.reduce<string | undefined>(
    (first, one) => (first === undefined || one < first ? one : first),
    undefined,
  );
  return { answers, end };
}
