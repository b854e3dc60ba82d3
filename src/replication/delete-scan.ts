import { failed } from '../domain/failure.ts';
import { isMassDelete } from '../domain/mass-delete.ts';
import { EPOCH_SPAN, shardVersions, versionOf, type VersionScheme } from '../domain/version.ts';
import type { DeleteLine } from './bulk-batch.ts';
import { epochEnd } from '../domain/side-merge.ts';
import { compareSides, type FollowerCopy } from './compare-sides.ts';
import type { Sides } from './sides.ts';
import type { Clock } from '../ports/clock.ts';
import type { FoundDocument, View } from '../ports/search-cluster.ts';

export interface ScanRequest {
  readonly sides: Sides;
  readonly view: View;
  /** G0 of the cycle: whoever is absent from a view that holds everything up to it can come back only above it. */
  readonly globalCheckpoint: number;
  /** Greatest `_seq_no` of the view. */
  readonly upTo: number;
  readonly followerCount: number;
  /** Deletes outstanding by the counts. */
  readonly expected: number;
  /** Looks at everything, even after `expected` extras were found. */
  readonly whole: boolean;
  /** Lists both sides and compares document by document: finds what buckets hide, and takes much longer. */
  readonly exact: boolean;
  /** Greatest share of the shard that one scan may delete; above it an operator decides. */
  readonly deleteShareMax: number;
  readonly writeDeletes: (lines: readonly DeleteLine[]) => Promise<readonly number[]>;
  /** Sends the leader's documents with these sequence numbers again. */
  readonly resend: (seqNos: readonly number[]) => Promise<void>;
  /** Whether this is no copy but a document in quarantine that the comparison shows as if it were one; and whether there is an older copy. */
  readonly quarantined: (copy: FollowerCopy) => 'with copy' | 'without copy' | undefined;
  /** Takes documents that the leader does not have any more out of the quarantine. */
  readonly release: (ids: readonly string[]) => Promise<void>;
  readonly clock: Clock;
}

export interface ScanReport {
  /** Follower documents that are not in the view. */
  readonly extras: number;
  readonly deleted: number;
  /** Extras that the leader still has: sent again, or left for the next cycle. */
  readonly living: number;
  /** View documents that the follower lacks; sent again. */
  readonly missing: number;
  /** Time spent comparing both sides, without what was done about the finds. */
  readonly comparedMs: number;
}

const CHUNK = 500;

/**
 * Finds what the follower has and the leader's view has not, asks the leader for each of them, and deletes those that it does not know,
 * under a version that refuses every late copy of an older write and never a re-creation.
 */
export async function scanDeletes(request: ScanRequest, signal: AbortSignal): Promise<ScanReport> {
  refuseMassDelete(request, request.expected);
  const { sides, clock } = request;
  // Not counted: what was written becomes visible by it, once, whoever pays.
  await sides.follower.refresh(sides.followerIndex, signal);
  const startedAtMs = clock.monotonic();
  let settledMs = 0;
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const since = clock.monotonic();
    try {
      return await work;
    } finally {
      settledMs += clock.monotonic() - since;
    }
  };
  const { view, upTo, whole, exact } = request;
  const differences = whole ? undefined : request.expected;
  const compared = { view, upTo, documents: request.followerCount, differences, outlandish: whole, exact };
  const report = { extras: 0, deleted: 0, living: 0, missing: 0 };
  let extras: FollowerCopy[] = [];
  let missing: number[] = [];
  for await (const difference of compareSides(sides, compared, signal)) {
    if (difference.kind === 'extra') {
      extras.push(difference.document);
      report.extras += 1;
      refuseMassDelete(request, report.extras);
    } else {
      missing.push(difference.seqNo);
      report.missing += 1;
    }
    if (extras.length >= CHUNK) extras = await timed(settle(request, extras, report, signal));
    if (missing.length >= CHUNK) missing = await timed(resend(request, missing));
    if (!request.whole && report.extras >= request.expected) break;
  }
  await timed(settle(request, extras, report, signal));
  await timed(resend(request, missing));
  return { ...report, comparedMs: clock.monotonic() - startedAtMs - settledMs };
}

function refuseMassDelete(request: ScanRequest, deletes: number): void {
  if (!isMassDelete(deletes, request.followerCount, request.deleteShareMax)) return;
  throw failed('mass_delete', {
    op: 'delete scan',
    reason: `${deletes} of ${request.followerCount} documents of the shard would be deleted, more than the allowed ${Math.round(request.deleteShareMax * 100)} %`,
  });
}

async function resend(request: ScanRequest, seqNos: readonly number[]): Promise<number[]> {
  if (seqNos.length > 0) await request.resend(seqNos);
  return [];
}

async function settle(
  request: ScanRequest,
  extras: readonly FollowerCopy[],
  report: { deleted: number; living: number },
  signal: AbortSignal,
): Promise<FollowerCopy[]> {
  if (extras.length === 0) return [];
  const { sides, globalCheckpoint } = request;
  const found = await sides.leader.multiGet(sides.leaderIndex, extras, signal);
  const lines: DeleteLine[] = [];
  const again: number[] = [];
  const released: string[] = [];
  let withoutCopy = 0;
  for (const [at, extra] of extras.entries()) {
    const now = found[at];
    const { id, routing } = extra;
    const quarantined = request.quarantined(extra);
    const moved = now !== undefined && isMoved(extra, now, request) ? now : undefined;
    if (now === undefined || !now.found || moved !== undefined) {
      if (quarantined !== undefined) released.push(id);
      if (quarantined === 'without copy') {
        withoutCopy += 1;
        continue;
      }
      const version = moved === undefined ? deadVersionOf(extra, request) : movedVersion(extra, moved, request);
      lines.push({ id, routing, version });
    } else {
      report.living += 1;
      // Above G0 it is the next cycle's.
      if (now.seqNo !== undefined && now.seqNo <= globalCheckpoint && isNumbered(extra, sides)) again.push(now.seqNo);
    }
  }
  const conflicts = await request.writeDeletes(await exactWhereAbove(request, lines, signal));
  if (released.length > 0) await request.release(released);
  report.deleted += lines.length - conflicts.length + withoutCopy;
  if (again.length > 0) await request.resend(again);
  return [];
}

/** A version that only somebody else can have given may be too great for a number here: such a copy is deleted as it was seen. */
async function exactWhereAbove(
  { sides }: ScanRequest,
  lines: readonly DeleteLine[],
  signal: AbortSignal,
): Promise<readonly DeleteLine[]> {
  const end = epochEnd(sides.scheme.epoch);
  const above = lines.filter(({ version }) => version > end);
  if (above.length === 0) return lines;
  const copies = await sides.follower.multiGet(sides.followerIndex, above, signal);
  const exact = above.flatMap((line, at) => {
    const { seqNo, primaryTerm } = copies[at] ?? {};
    return seqNo === undefined || primaryTerm === undefined ? [] : [{ ...line, exactly: { seqNo, primaryTerm } }];
  });
  return [...lines.filter(({ version }) => version <= end), ...exact];
}

/**
 * What a delete of a copy that the leader has not is sent under. No late copy of an older write passes it, no re-creation is refused by it. Where other
 * pairs write to the same follower shards, it is also below all that they may have put in the copy's place since it was listed: only a version of a
 * higher range replaces one of a lower (see `VersionLayout`), and this one stays in the range of the copy.
 */
export function deadVersion(
  version: number,
  { scheme, shard, globalCheckpoint }: { scheme: VersionScheme; shard: number; globalCheckpoint: number },
): number {
  const epoch = Math.floor(version / EPOCH_SPAN);
  if (scheme.layout === 'by-shard' && epoch !== scheme.epoch) return shardVersions(scheme, shard, epoch).to;
  // Without any operation on the leader shard there is no number to delete under but the copy's own.
  return Math.max(version, globalCheckpoint < 0 ? 0 : versionOf(scheme, globalCheckpoint, shard));
}

function deadVersionOf({ version }: FollowerCopy, { sides, globalCheckpoint }: ScanRequest): number {
  return deadVersion(version, { ...sides, globalCheckpoint });
}

/**
 * The leader's document of that id carries another routing by now. Where shards align that is the same place, and it is written there; elsewhere the
 * copy under the old routing stays behind, and has to go.
 */
function isMoved(
  { routing }: FollowerCopy,
  now: FoundDocument,
  { sides, globalCheckpoint }: ScanRequest,
): now is FoundDocument & { readonly seqNo: number } {
  return !sides.aligned && now.routing !== routing && now.seqNo !== undefined && now.seqNo <= globalCheckpoint;
}

/** Just below that of the document itself, which may live in this very place. */
function movedVersion(extra: FollowerCopy, { seqNo }: { readonly seqNo: number }, request: ScanRequest): number {
  const { scheme, shard } = request.sides;
  if (Math.floor(extra.version / EPOCH_SPAN) !== scheme.epoch) return deadVersionOf(extra, request);
  return Math.max(extra.version, versionOf(scheme, seqNo, shard) - 1);
}

/** Whether the leader's number for a document of that id is one of this shard: somebody else's may live on any. */
function isNumbered({ version }: FollowerCopy, { aligned }: Sides): boolean {
  return aligned || version >= EPOCH_SPAN;
}
