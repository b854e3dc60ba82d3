import type { Copy } from './copies.ts';

/** What a merge says about one or two documents of the same place in the order. */
export type Step =
  | { readonly kind: 'match'; readonly leader: Copy; readonly follower: Copy }
  /** Same document, same operation, other routing. */
  | { readonly kind: 'routing'; readonly leader: Copy; readonly follower: Copy }
  | { readonly kind: 'leader'; readonly leader: Copy }
  /** `sharesVersion`: another follower document carries the same version. */
  | { readonly kind: 'follower'; readonly follower: Copy; readonly sharesVersion: boolean };

/** Merges both sides, each in order of version; versions are unique on the leader's side. */
export async function* mergeCopies(
  leaderSide: AsyncGenerator<Copy>,
  followerSide: AsyncGenerator<Copy>,
): AsyncGenerator<Step> {
  let leader = await take(leaderSide);
  let follower = await take(followerSide);
  let previousVersion: number | undefined;
  while (leader !== undefined || follower !== undefined) {
    if (follower === undefined || (leader !== undefined && leader.version < follower.version)) {
      if (leader !== undefined) yield { kind: 'leader', leader };
      leader = await take(leaderSide);
      continue;
    }
    const next = await take(followerSide);
    if (leader?.version === follower.version && leader.id === follower.id) {
      yield { kind: leader.routing === follower.routing ? 'match' : 'routing', leader, follower };
      leader = await take(leaderSide);
    } else {
      yield {
        kind: 'follower',
        follower,
        sharesVersion: follower.version === previousVersion || follower.version === next?.version,
      };
    }
    previousVersion = follower.version;
    follower = next;
  }
}

async function take(side: AsyncGenerator<Copy>): Promise<Copy | undefined> {
  const { value, done } = await side.next();
  return done === true ? undefined : value;
}
