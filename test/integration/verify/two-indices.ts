/** An index on each of two real clusters, and a copy between them that is simple and slow on purpose: the comparison must not depend on the product's own. */
import { hash } from 'node:crypto';
import { versionOf, type VersionScheme } from '../../../src/domain/version.ts';
import { openCluster } from '../../../src/infra/search/open-cluster.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import type { VerifyLimits, VerifyRequest } from '../../../src/replication/verify/request.ts';
import type { VerifyReport } from '../../../src/replication/verify/report.ts';
import { verifyIndex } from '../../../src/replication/verify/verify-index.ts';
import { createChurnIndex } from '../../support/churn/churn.ts';
import { call, type IndexAddress, type ReadDocument, readIndex } from '../../support/read-index.ts';

export interface TwoIndices extends AsyncDisposable {
  readonly leader: IndexAddress;
  readonly follower: IndexAddress;
  /** One bulk of raw lines. */
  bulk(side: IndexAddress, lines: readonly unknown[]): Promise<void>;
  /** Brings the follower to a state of the leader that is not older than the call. */
  copy(): Promise<void>;
  verify(options?: { contents?: boolean; limits?: Partial<VerifyLimits> }): Promise<VerifyReport>;
  /** The version of a leader operation on the follower. */
  versionOf(seqNo: number, shard: number): number;
}

let made = 0;

export async function twoIndices(
  options: { leaderShards?: number; followerShards?: number } = {},
): Promise<TwoIndices> {
  const { leaderShards = 2, followerShards = leaderShards } = options;
  const name = `verify-${process.pid}-${(made += 1)}`;
  const leader: IndexAddress = { url: addressOf('SLIPSTREAM_LEADER_URL'), index: `${name}.leader` };
  const follower: IndexAddress = { url: addressOf('SLIPSTREAM_FOLLOWER_URL'), index: `${name}.follower` };
  const scheme: VersionScheme = { epoch: 1, leaderShards, layout: 'interleaved' };
  const common = {
    auth: { kind: 'none' },
    caPem: undefined,
    compression: false,
    requestTimeoutMs: 30_000,
    maxConnections: 4,
    clock: systemClock,
  } as const;
  const left = openCluster({ ...common, name: 'left', url: leader.url });
  const right = openCluster({ ...common, name: 'right', url: follower.url });
  await createChurnIndex(leader, { shards: leaderShards });
  await createChurnIndex(follower, { shards: followerShards, gcDeletes: '15m' });
  const request: Omit<VerifyRequest, 'contents' | 'limits'> = {
    leader: left.leader,
    follower: right.follower,
    leaderIndex: leader.index,
    followerIndex: follower.index,
    scheme,
    aligned: leaderShards === followerShards,
    clock: systemClock,
    onProgress: () => undefined,
  };
  const bulk = async (side: IndexAddress, lines: readonly unknown[]): Promise<void> => {
    const body = new TextEncoder().encode(
      lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
    );
    const answer = await call(
      side,
      'POST',
      `/${encodeURIComponent(side.index)}/_bulk?refresh=false&filter_path=errors,items.*.error`,
      body,
    );
    if ((JSON.parse(answer) as { errors: boolean }).errors) throw new Error(`refused: ${answer.slice(0, 300)}`);
  };
  return {
    leader,
    follower,
    bulk,
    copy: () => copy({ leader, follower, scheme, bulk, aligned: request.aligned }),
    versionOf: (seqNo, shard) => versionOf(scheme, seqNo, shard),
    verify: ({ contents = false, limits = {} } = {}) =>
      verifyIndex(
        {
          ...request,
          contents: contents ? { followerReader: right.leader, digest: (bytes) => hash('sha256', bytes) } : undefined,
          limits,
        },
        new AbortController().signal,
      ),
    async [Symbol.asyncDispose]() {
      for (const side of [leader, follower])
        await call(side, 'DELETE', `/${encodeURIComponent(side.index)}?ignore_unavailable=true`);
      await Promise.all([left.close(), right.close()]);
    },
  };
}

function addressOf(variable: string): string {
  const url = process.env[variable];
  if (url === undefined || url === '')
    throw new Error(`${variable} must hold the address of a running cluster, e.g. http://127.0.0.1:9201`);
  return url.replace(/\/$/, '');
}

const COPY_OPERATIONS = 500;

async function copy({
  leader,
  follower,
  scheme,
  bulk,
  aligned,
}: Pick<TwoIndices, 'leader' | 'follower' | 'bulk'> & { scheme: VersionScheme; aligned: boolean }): Promise<void> {
  // A document that changes its routing within a shard stays the same document.
  const keyOf = ({ id, routing, shard }: ReadDocument): string => JSON.stringify([id, aligned ? shard : routing]);
  const held = new Map<string, { version: number; id: string; routing: string | undefined }>();
  for await (const document of readIndex(follower)) held.set(keyOf(document), document);
  const checkpoints = await globalCheckpoints(leader);
  let lines: unknown[] = [];
  const flush = async (): Promise<void> => {
    const full = lines;
    lines = [];
    if (full.length > 0) await bulk(follower, full);
  };
  for await (const document of readIndex(leader)) {
    const { shard, id, routing, seqNo, source } = document;
    const key = keyOf(document);
    const version = versionOf(scheme, seqNo, shard);
    const isHeld = held.get(key)?.version === version;
    held.delete(key);
    if (isHeld) continue;
    lines.push({ index: { _id: id, routing, version, version_type: 'external_gte' } }, source);
    if (lines.length >= COPY_OPERATIONS) await flush();
  }
  await flush();
  // Every document was in the view that followed the checkpoints, or was written after them; so nothing newer can be deleted with them as version.
  const fence = Math.min(...checkpoints.map((checkpoint, shard) => versionOf(scheme, Math.max(checkpoint, 0), shard)));
  for (const { version, id, routing } of held.values())
    lines.push({ delete: { _id: id, routing, version: Math.max(version, fence), version_type: 'external_gte' } });
  await flush();
}

async function globalCheckpoints({ url, index }: IndexAddress): Promise<readonly number[]> {
  const answer = JSON.parse(await call({ url }, 'GET', `/${encodeURIComponent(index)}/_stats/docs?level=shards`)) as {
    indices: Record<string, { shards: Record<string, { seq_no: { global_checkpoint: number } }[]> }>;
  };
  return Object.values(answer.indices[index]?.shards ?? {}).map(
    ([copyOfShard]) => copyOfShard?.seq_no.global_checkpoint ?? -1,
  );
}
