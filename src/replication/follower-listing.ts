import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { ListedDocument, View } from '../ports/search-cluster.ts';

const PAGE = 2000;

/** Every searchable document with a version above `after`, of one shard or of the index, in order of version; page by page. */
export async function* listFollower(
  target: {
    readonly follower: FollowerCluster;
    readonly index: string;
    readonly shard: number | undefined;
    readonly view?: View | undefined;
  },
  after: number,
  signal: AbortSignal,
): AsyncGenerator<ListedDocument> {
  let last: ListedDocument | undefined;
  do {
    // Documents from outside share versions: only both numbers together go on behind the last one.
    const from = { after: last?.version ?? after, afterSeqNo: last?.seqNo };
    const page = await target.follower.listByVersion(
      { index: target.index, shard: target.shard, view: target.view, ...from, size: PAGE },
      signal,
    );
    yield* page;
    last = page.length < PAGE ? undefined : page.at(-1);
  } while (last !== undefined);
}
