import { type QuarantinedDocument, refusedVersion } from '../../domain/quarantine.ts';
import { rangeOf } from '../../domain/side-merge.ts';
import { shardNamedBy, type VersionScheme } from '../../domain/version.ts';
import type { FollowerCluster } from '../../ports/follower-cluster.ts';
import type { Histogram, ListedDocument } from '../../ports/search-cluster.ts';
import type { Sides } from '../sides.ts';
import type { ScanHands } from '../delete-scan.ts';
import type { PairQuarantine } from './pair-quarantine.ts';

interface Quarantined {
  readonly documents: readonly QuarantinedDocument[];
  readonly scheme: VersionScheme;
  readonly shard: number;
  readonly aligned: boolean;
}

/** With what is in quarantine now taken into account. */
export function withQuarantine(sides: Sides, { documents }: PairQuarantine): Sides {
  return { ...sides, follower: asIfTaken(sides.follower, { ...sides, documents }) };
}

/** What a scan does about documents in quarantine. */
export function quarantineHands(
  quarantine: PairQuarantine,
  { scheme, shard }: Pick<Sides, 'scheme' | 'shard'>,
  fence: () => Promise<void>,
  signal: AbortSignal,
): Pick<ScanHands, 'quarantined' | 'release'> {
  return {
    quarantined: ({ id, version }) => {
      const document = quarantine.get(id);
      if (document === undefined || refusedVersion(document, scheme, shard) !== version) return undefined;
      return document.copyVersion === undefined ? 'without copy' : 'with copy';
    },
    release: async (ids) => {
      // What only looks deleted would be missing without anybody's knowing.
      await fence();
      for (const id of ids) quarantine.release(id);
      await quarantine.flush(signal);
    },
  };
}

/**
 * The follower as if it had taken what is in quarantine: its histograms and listings show those documents under the version that was refused, and
 * not their older copies. Compared with the leader it differs only in what is missing or to be deleted; a document that has left the leader
 * since it was refused shows as one that only the follower has.
 */
export function asIfTaken(follower: FollowerCluster, quarantined: Quarantined): FollowerCluster {
  const { documents, scheme, shard, aligned } = quarantined;
  if (documents.length === 0) return follower;
  const taken = documents
    .map((document): ListedDocument => {
      const { id, routing } = document;
      // After every document of the same version, so that paging goes on behind it.
      return { id, routing, version: refusedVersion(document, scheme, shard), seqNo: Number.MAX_SAFE_INTEGER };
    })
    .sort((a, b) => a.version - b.version);
  const takenById = new Map(taken.map((document) => [document.id, document]));
  // Where shards do not align, a copy under another routing lies in another place: it is one that the leader has no more.
  const isOlderCopy = ({ id, routing, version }: ListedDocument): boolean => {
    const refused = takenById.get(id);
    if (refused === undefined || version >= refused.version) return false;
    return aligned || (shardNamedBy(scheme, version) === shard && routing === refused.routing);
  };

  return {
    ...follower,

    async histogram(request, signal): Promise<Histogram> {
      const buckets = new Map(await follower.histogram(request, signal));
      const add = (version: number | undefined, change: 1 | -1): void => {
        if (version === undefined || version < request.min || version > request.max) return;
        const above = (version - request.offset) % request.interval;
        const key = version - (above < 0 ? above + request.interval : above);
        const count = (buckets.get(key) ?? 0) + change;
        if (count === 0) buckets.delete(key);
        else buckets.set(key, count);
      };
      for (const { version } of taken) add(version, 1);
      for (const { copyVersion } of documents) add(copyVersion, -1);
      return buckets;
    },

    async countRanges(request, signal) {
      const { ranges } = request;
      const counts = [...(await follower.countRanges(request, signal))];
      const add = (version: number | undefined, change: 1 | -1): void => {
        if (version === undefined) return;
        const at = rangeOf(ranges, version);
        if (at >= 0) counts[at] = (counts[at] ?? 0) + change;
      };
      for (const { version } of taken) add(version, 1);
      for (const { copyVersion } of documents) add(copyVersion, -1);
      return counts;
    },

    async listVersionRanges(request, signal) {
      const found = await follower.listVersionRanges(request, signal);
      return request.ranges.map(({ from, to }, at) => {
        const listed = found[at];
        if (listed === undefined) return undefined;
        const within = taken.filter(({ version }) => version >= from && version <= to);
        return inOrder([...listed.filter((document) => !isOlderCopy(document)), ...within]);
      });
    },

    async listByVersion(request, signal) {
      const shown: ListedDocument[] = [];
      let { after, afterSeqNo } = request;
      for (;;) {
        const page = await follower.listByVersion({ ...request, after, afterSeqNo }, signal);
        const last = page.length < request.size ? undefined : page.at(-1);
        const begun = afterSeqNo !== undefined && afterSeqNo < Number.MAX_SAFE_INTEGER ? after : after + 1;
        const end = last?.version ?? Number.POSITIVE_INFINITY;
        const within = taken.filter(({ version }) => version >= begun && version < end);
        shown.push(...inOrder([...page.filter((document) => !isOlderCopy(document)), ...within]));
        if (last === undefined || shown.length >= request.size) return shown;
        after = last.version;
        afterSeqNo = last.seqNo;
      }
    },
  };
}

function inOrder(documents: ListedDocument[]): readonly ListedDocument[] {
  return documents.sort((a, b) => a.version - b.version || a.seqNo - b.seqNo);
}
