import { failed, type Failed } from '../domain/failure.ts';
import { EPOCH_SPAN, shardNamedBy, type VersionScheme } from '../domain/version.ts';
import { decodeText } from '../domain/wire/bulk-answer.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { Conflict } from './bulk-writer.ts';

/**
 * A version conflict is never success: the follower's document is newer than the leader's. The document tells whose it is: one id under
 * two routings of shards that do not align, or somebody else's write.
 */
export async function conflictVerdict(
  target: { follower: FollowerCluster; index: string; scheme: VersionScheme; shard: number; aligned: boolean },
  conflicts: readonly Conflict[],
  signal: AbortSignal,
): Promise<Failed> {
  const details = { op: 'bulk', cluster: target.follower.name };
  const [first] = conflicts;
  if (first === undefined)
    return failed('follower_newer', { ...details, reason: 'a version conflict without a document' });
  const { hit, page } = first;
  const routing = hit.routingStart < 0 ? undefined : decodeText(page.body, hit.routingStart, hit.routingEnd);
  const [copy] = await target.follower.multiGet(
    target.index,
    [{ id: decodeText(page.body, hit.idStart, hit.idEnd), routing }],
    signal,
  );
  const version = copy?.version;
  const which = `${conflicts.length} documents, the first at leader seq_no ${hit.seqNo}`;
  if (!target.aligned) {
    // No delete of this pair's own refuses a later operation.
    if (version === undefined)
      return failed('id_collision', {
        ...details,
        reason: `${which}: a document of that id came there from another leader shard and was deleted lately`,
      });
    const named = shardNamedBy(target.scheme, version);
    if (version >= EPOCH_SPAN && named !== target.shard)
      return failed('id_collision', {
        ...details,
        reason: `${which}: the follower's document of that id comes from leader shard ${named}`,
      });
  }
  return failed('follower_newer', {
    ...details,
    reason: `${which}: ${version === undefined ? 'the document is deleted on the follower' : `the follower has version ${version}`}`,
  });
}
