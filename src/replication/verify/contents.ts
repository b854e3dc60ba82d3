/** Reads documents by sequence number, wherever they are, and keeps digests alone. */
import { Failed } from '../../domain/failure.ts';
import { decodeText } from '../../domain/wire/json-cursor.ts';
import type { SearchPage, WireHit } from '../../domain/wire/search-page.ts';
import type { LeaderCluster } from '../../ports/leader-cluster.ts';
import type { View } from '../../ports/search-cluster.ts';
import type { Copy } from './copies.ts';
import { oneLine } from './one-line.ts';

export interface Pair {
  readonly leader: Copy;
  readonly follower: Copy;
}

export interface Side {
  readonly reader: LeaderCluster;
  readonly index: string;
  readonly nodeOf: (shard: number) => string;
  /** Fixed views by shard; where there is none, what is searchable now. */
  readonly views: ReadonlyMap<number, View>;
  readonly pageDocuments: number;
}

export interface ContentVerdict {
  readonly different: readonly Pair[];
  /** Changed or deleted since: says nothing. */
  readonly unread: readonly Pair[];
}

interface Content {
  readonly id: string;
  readonly digest: string;
}

/** Reading this many documents in vain costs about as much as another request. */
const GAP_MAX = 200;
const PAGE_BYTES = 4 * 1024 * 1024;
const FIRST_PAGE_DOCUMENTS = 100;

/** Pairs must hold one operation each: both sequence numbers name what is to be compared. */
export async function compareContents(
  pairs: readonly Pair[],
  sides: { leader: Side; follower: Side; digest: (bytes: Uint8Array) => string },
  signal: AbortSignal,
): Promise<ContentVerdict> {
  const leaderContents = await readContents(
    pairs.map((pair) => pair.leader),
    sides.leader,
    sides.digest,
    signal,
  );
  const followerContents = await readContents(
    pairs.map((pair) => pair.follower),
    sides.follower,
    sides.digest,
    signal,
  );
  const different: Pair[] = [];
  const unread: Pair[] = [];
  for (const pair of pairs) {
    const leader = leaderContents.get(placeOf(pair.leader));
    const follower = followerContents.get(placeOf(pair.follower));
    if (leader?.id !== pair.leader.id || follower?.id !== pair.follower.id) unread.push(pair);
    else if (leader.digest !== follower.digest) different.push(pair);
  }
  return { different, unread };
}

function placeOf({ shard, seqNo }: { shard: number; seqNo: number }): string {
  return `${shard}:${seqNo}`;
}

async function readContents(
  copies: readonly Copy[],
  side: Side,
  digest: (bytes: Uint8Array) => string,
  signal: AbortSignal,
): Promise<Map<string, Content>> {
  const contents = new Map<string, Content>();
  for (const [shard, seqNos] of byShard(copies)) {
    const wanted = new Set(seqNos);
    for (const run of runsOf(seqNos)) {
      for await (const page of pagesOf(run, shard, side, signal)) {
        for (const hit of page.hits) {
          if (!wanted.has(hit.seqNo)) continue;
          const id = decodeText(page.body, hit.idStart, hit.idEnd);
          contents.set(placeOf({ shard, seqNo: hit.seqNo }), { id, digest: digest(sourceOf(page, hit)) });
        }
      }
    }
  }
  return contents;
}

function sourceOf(page: SearchPage, hit: WireHit): Uint8Array {
  const source = page.body.subarray(hit.sourceStart, hit.sourceEnd);
  return hit.sourceMultiline ? oneLine(source) : source;
}

function byShard(copies: readonly Copy[]): Map<number, number[]> {
  const shards = new Map<number, number[]>();
  for (const { shard, seqNo } of copies) {
    const seqNos = shards.get(shard);
    if (seqNos === undefined) shards.set(shard, [seqNo]);
    else seqNos.push(seqNo);
  }
  return shards;
}

interface Run {
  readonly first: number;
  last: number;
}

function runsOf(seqNos: readonly number[]): readonly Run[] {
  const runs: Run[] = [];
  let run: Run | undefined;
  for (const seqNo of seqNos.toSorted((a, b) => a - b)) {
    if (run !== undefined && seqNo - run.last <= GAP_MAX) run.last = seqNo;
    else runs.push((run = { first: seqNo, last: seqNo }));
  }
  return runs;
}

/** Pages are bounded in documents, and in bytes by the size of the documents of the page before. */
async function* pagesOf(run: Run, shard: number, side: Side, signal: AbortSignal): AsyncGenerator<SearchPage> {
  const { reader, index, pageDocuments } = side;
  let after = run.first - 1;
  let size = Math.min(FIRST_PAGE_DOCUMENTS, pageDocuments);
  const rest = { index, shard, nodeId: side.nodeOf(shard), upTo: run.last, countTotal: false };
  while (after < run.last) {
    const page = await reader
      .readPage({ ...rest, after, size, view: side.views.get(shard) }, signal)
      .catch((thrown: unknown) => {
        if (!(thrown instanceof Failed) || thrown.failure.code !== 'answer_too_large' || size === 1) throw thrown;
      });
    if (page === undefined) {
      size = Math.max(1, Math.floor(size / 4));
      continue;
    }
    yield page;
    const last = page.hits.at(-1);
    if (last === undefined || page.hits.length < size) return;
    after = last.seqNo;
    const documentBytes = page.body.length / page.hits.length;
    size = Math.max(1, Math.min(pageDocuments, size * 4, Math.floor(PAGE_BYTES / documentBytes)));
  }
}
