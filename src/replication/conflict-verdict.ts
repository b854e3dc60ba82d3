import { failed, type Failed } from '../domain/failure.ts';
import { EPOCH_SPAN, shardNamedBy, type VersionScheme } from '../domain/version.ts';
import { decodeText } from '../domain/wire/bulk-answer.ts';
import type { FollowerCluster } from '../ports/follower-cluster.ts';
import type { DocumentKey, FoundDocument } from '../ports/search-cluster.ts';
import type { Conflict } from './bulk-writer.ts';

const KEYS_AT_ONCE = 500;

/**
 * A version conflict is never success: the follower's document is newer than the leader's. The document tells whose it is: one id under
 * two routings of shards that do not align (`id_collision`), or somebody else's write (`follower_newer`).
 */
export async function conflictVerdict(
  target: { follower: FollowerCluster; index: string; scheme: VersionScheme; shard: number; aligned: boolean },
  conflicts: readonly Conflict[],
  signal: AbortSignal,
): Promise<Failed> {
  const { follower, index, aligned } = target;
  const details = { op: 'bulk', cluster: follower.name };
  let newer: Failed | undefined;
  for (let at = 0; at < conflicts.length; at += KEYS_AT_ONCE) {
    const asked = conflicts.slice(at, at + KEYS_AT_ONCE);
    const copies = await follower.multiGet(index, asked.map(keyOfHit), signal);
    for (const [position, { hit }] of asked.entries()) {
      const copy = copies[position];
      const which = `${conflicts.length} documents, one of them at leader seq_no ${hit.seqNo}`;
      const collision = aligned ? undefined : collisionWith(target, copy);
      if (collision !== undefined) return failed('id_collision', { ...details, reason: `${which}: ${collision}` });
      const now =
        copy?.version === undefined
          ? 'the document is deleted on the follower'
          : `the follower has version ${copy.version}`;
      newer ??= failed('follower_newer', { ...details, reason: `${which}: ${now}` });
    }
  }
  return newer ?? failed('follower_newer', { ...details, reason: 'a version conflict without a document' });
}

function collisionWith(
  { scheme, shard }: { scheme: VersionScheme; shard: number },
  copy: FoundDocument | undefined,
): string | undefined {
  // No delete of this pair's own refuses a later operation.
  if (copy?.version === undefined)
    return 'a document of that id came there from another leader shard and was deleted lately';
  const named = shardNamedBy(scheme, copy.version);
  if (copy.version < EPOCH_SPAN || named === shard) return undefined;
  return `the follower's document of that id comes from leader shard ${named}`;
}

export function keyOfHit({ hit, page }: Conflict): DocumentKey {
  const routing = hit.routingStart < 0 ? undefined : decodeText(page.body, hit.routingStart, hit.routingEnd);
  return { id: decodeText(page.body, hit.idStart, hit.idEnd), routing };
}
