import type { IndexStatus, PairStatus } from '../domain/commands.ts';
import { alignmentOf } from '../domain/index-spec/shard-alignment.ts';
import type { IndexSnapshot } from '../domain/journal.ts';
import type { Outage } from '../domain/outage.ts';

/** The state of an index is that of its pairs where they agree, and names each kind where they do not. */
export function summary(
  snapshot: IndexSnapshot,
  pairs: readonly PairStatus[],
  outages: readonly Outage[] = [],
): Omit<IndexStatus, 'pairs'> {
  const states = new Map<string, number>();
  for (const pair of pairs) states.set(statedAs(pair), (states.get(statedAs(pair)) ?? 0) + 1);
  const [only] = [...states.keys()];
  const agreed = snapshot.state === 'unfollowed' ? 'unfollowed, to be released' : only;
  const state =
    states.size <= 1 && agreed !== undefined
      ? agreed
      : [...states].map(([name, count]) => `${count} ${name}`).join(', ');
  return {
    leader: snapshot.leader,
    follower: snapshot.follower,
    state,
    shards: snapshot.shards,
    ...alignmentOf(snapshot),
    ...(outages.length === 0 ? {} : { outages }),
  };
}

/** A pair that passed over documents is never told as if nothing were wrong. */
function statedAs({ state, quarantined, suspended }: PairStatus): string {
  if (suspended !== undefined) return `${state}, suspended`;
  return quarantined > 0 ? `${state}, with errors` : state;
}
