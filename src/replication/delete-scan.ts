import { failed } from '../domain/failure.ts';
import { isMassDelete } from '../domain/mass-delete.ts';
import { EPOCH_SPAN, shardVersions, versionOf, type VersionScheme } from '../domain/version.ts';
import type { DeleteLine } from './bulk-batch.ts';
import { epochEnd } from '../domain/side-merge.ts';
import { compareSides, type Difference, type FollowerCopy } from './compare-sides.ts';
import type { Sides } from './sides.ts';
import { Stopwatch } from './stopwatch.ts';
import type { Clock } from '../ports/clock.ts';
import type { FoundDocument, View } from '../ports/search-cluster.ts';

/** What is compared, and within which bounds. */
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
  readonly clock: Clock;
  /** Gives back what the scan looked at, once nothing of it is needed any more. Never throws. */
  readonly ended: () => Promise<void>;
}

/** What a step lends a scan to act upon what it found. */
export interface ScanHands {
  readonly writeDeletes: (lines: readonly DeleteLine[]) => Promise<readonly number[]>;
  /** Sends the leader's documents with these sequence numbers again. */
  readonly resend: (seqNos: readonly number[]) => Promise<void>;
  /** Whether this is no copy but a document in quarantine that the comparison shows as if it were one; and whether there is an older copy. */
  readonly quarantined: (copy: FollowerCopy) => 'with copy' | 'without copy' | undefined;
  /** Takes documents that the leader does not have any more out of the quarantine. */
  readonly release: (ids: readonly string[]) => Promise<void>;
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
  /** What of it is in proportion to the shard: finding out the numbers that differ, and not listing those. */
  readonly searchedMs: number;
}

const CHUNK = 500;
/** What is found faster than it is dealt with keeps the changes of a step waiting so long at most. */
const DEALING_MS = 300;
/** A pair that does not go on for so long has no use for what was found: shorter than a view lives. */
const FORSAKEN_MS = 60_000;

/**
 * Finds what the follower has and the leader's view has not, asks the leader for each of them, and deletes those that it does not know,
 * under a version that refuses every late copy of an older write and never a re-creation.
 *
 * It compares by itself from its making on. Nothing is written but in `advance`, by the step that calls it: between two such calls newer documents
 * may be written, which both views do not show.
 */
export class DeleteScan {
  readonly #request: ScanRequest;
  readonly #reading = new AbortController();
  readonly #report = { extras: 0, deleted: 0, living: 0, missing: 0 };
  #extras: FollowerCopy[] = [];
  #missing: number[] = [];
  readonly #comparing: Stopwatch;
  readonly #searching: Stopwatch;
  /** `full`: it waits until what was found is dealt with. */
  #state: 'reading' | 'full' | 'ended' = 'reading';
  #failure: { readonly thrown: unknown } | undefined;
  #told: (() => void) | undefined;
  #goOn: (() => void) | undefined;

  /** Throws `mass_delete`. */
  constructor(request: ScanRequest) {
    this.#request = request;
    this.#comparing = new Stopwatch(request.clock);
    this.#searching = new Stopwatch(request.clock);
    refuseMassDelete(request, request.expected);
    void this.#read();
  }

  /** It ended by itself, for want of what it looks at. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  /** So far. */
  get times(): Pick<ScanReport, 'comparedMs' | 'searchedMs'> {
    return { comparedMs: this.#comparing.ms, searchedMs: this.#searching.ms };
  }

  /** Ends it, whatever was found. */
  close(): void {
    this.#reading.abort(new DOMException('the comparison is given up', 'AbortError'));
    this.#goOn?.();
  }

  /** Deals with what was found, waiting at most so long for it. Undefined: there is more to come. */
  async advance(hands: ScanHands, patienceMs: number, signal: AbortSignal): Promise<ScanReport | undefined> {
    const startedAtMs = this.#request.clock.monotonic();
    let deadlineMs = startedAtMs + patienceMs;
    if (this.#state === 'full') deadlineMs = Math.max(deadlineMs, startedAtMs + DEALING_MS);
    for (;;) {
      await this.#news(deadlineMs);
      signal.throwIfAborted();
      if (this.#reading.signal.aborted)
        throw failed('view_expired', { op: 'delete scan', reason: 'the comparison was given up, and is made again' });
      if (this.#failure !== undefined) throw this.#failure.thrown;
      if (this.#state === 'reading') return undefined;
      const [extras, missing] = [this.#extras, this.#missing];
      [this.#extras, this.#missing] = [[], []];
      await settle({ ...this.#request, ...hands }, extras, this.#report, signal);
      if (missing.length > 0) await hands.resend(missing);
      if (this.#state === 'ended') return { ...this.#report, ...this.times };
      this.#state = 'reading';
      this.#goOn?.();
    }
  }

  async #news(deadlineMs: number): Promise<void> {
    const { clock } = this.#request;
    const leftMs = deadlineMs - clock.monotonic();
    if (this.#state !== 'reading' || leftMs <= 0) return;
    const told = new Promise<void>((resolve) => {
      this.#told = resolve;
    });
    if (leftMs === Number.POSITIVE_INFINITY) return told;
    const enough = new AbortController();
    const outOfPatience = clock.sleep(leftMs, enough.signal).catch(() => undefined);
    await Promise.race([told, outOfPatience]);
    enough.abort();
  }

  async #read(): Promise<void> {
    const { sides, view, upTo, whole, exact, followerCount, expected, ended } = this.#request;
    const { signal } = this.#reading;
    const searching = this.#searching;
    const compared = { view, upTo, documents: followerCount, outlandish: whole, exact, searching };
    try {
      for await (const difference of this.#comparing.waitingFor(compareSides(sides, compared, signal))) {
        this.#note(difference);
        if (!whole && this.#report.extras >= expected) break;
        if (Math.max(this.#extras.length, this.#missing.length) < CHUNK) continue;
        await this.#dealtWith();
      }
    } catch (thrown) {
      this.#failure = { thrown };
    }
    await ended();
    this.#tell('ended');
  }

  #note(difference: Difference): void {
    if (difference.kind === 'missing') {
      this.#missing.push(difference.seqNo);
      this.#report.missing += 1;
      return;
    }
    this.#extras.push(difference.document);
    this.#report.extras += 1;
    refuseMassDelete(this.#request, this.#report.extras);
  }

  async #dealtWith(): Promise<void> {
    // Nobody goes on with what was given up.
    this.#reading.signal.throwIfAborted();
    const dealt = new Promise<void>((resolve) => {
      this.#goOn = resolve;
    });
    this.#tell('full');
    const { clock } = this.#request;
    const forsaken = clock.setTimeout(() => this.close(), FORSAKEN_MS);
    await dealt;
    clock.clearTimeout(forsaken);
    this.#reading.signal.throwIfAborted();
  }

  #tell(state: 'full' | 'ended'): void {
    this.#state = state;
    this.#told?.();
  }
}

function refuseMassDelete(request: ScanRequest, deletes: number): void {
  if (!isMassDelete(deletes, request.followerCount, request.deleteShareMax)) return;
  throw failed('mass_delete', {
    op: 'delete scan',
    reason: `${deletes} of ${request.followerCount} documents of the shard would be deleted, more than the allowed ${Math.round(request.deleteShareMax * 100)} %`,
  });
}

async function settle(
  request: ScanRequest & ScanHands,
  extras: readonly FollowerCopy[],
  report: { deleted: number; living: number },
  signal: AbortSignal,
): Promise<void> {
  if (extras.length === 0) return;
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
  const sent = await exactWhereAbove(request, lines, signal);
  const conflicts = await request.writeDeletes(sent);
  report.living += await countNewer(
    request,
    sent.filter((_, at) => conflicts.includes(at)),
    signal,
  );
  if (released.length > 0) await request.release(released);
  report.deleted += lines.length - conflicts.length + withoutCopy;
  if (again.length > 0) await request.resend(again);
}

/** How many have been created again, and deleted again, since the views, and are for the next scan; or are gone. */
async function countNewer(
  { sides }: ScanRequest,
  refused: readonly DeleteLine[],
  signal: AbortSignal,
): Promise<number> {
  if (sides.followerView === undefined || refused.length === 0) return 0;
  const end = epochEnd(sides.scheme.epoch);
  const copies = await sides.follower.multiGet(sides.followerIndex, refused, signal);
  return refused.filter(({ version, exactly }, at) => {
    const { found = false, version: now } = copies[at] ?? {};
    return !found || (now !== undefined && now <= end && (exactly !== undefined || now > version));
  }).length;
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
