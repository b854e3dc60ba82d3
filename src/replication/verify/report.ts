/** What a comparison found. Names documents, never shows their content. */

export interface Finding {
  readonly id: string;
  readonly routing: string | undefined;
  /** The leader shard that has or had it; undefined where that is not known. */
  readonly shard: number | undefined;
  /** Undefined when the document is not on the leader. */
  readonly leaderSeqNo: number | undefined;
  /** Undefined when the document is not on the follower. */
  readonly followerVersion: number | undefined;
}

export interface DifferingFinding extends Finding {
  readonly cause: 'identity' | 'routing' | 'content';
}

/** `samples` holds the first of `total`, `SAMPLES_MAX` unless more were asked for. */
export interface Findings<F extends Finding = Finding> {
  readonly total: number;
  readonly samples: readonly F[];
}

export const SAMPLES_MAX = 100;

export interface VerifyReport {
  /** `undecided`: no difference was found, but not every document could be compared. */
  readonly outcome: 'equal' | 'different' | 'undecided';
  readonly equal: boolean;
  /** Comparisons that ended in agreement. */
  readonly compared: number;
  /** Of the leader's views. */
  readonly leaderDocuments: number;
  /** Listed on the follower; a document rewritten meanwhile may count twice or not at all. */
  readonly followerDocuments: number;
  /** On the leader alone. */
  readonly missing: Findings;
  /** On the follower alone. */
  readonly extra: Findings;
  /** On both, but the follower's is another operation, under another routing, or with another content. */
  readonly differing: Findings<DifferingFinding>;
  /** On the follower with a version outside of the epoch: not written by this replication. */
  readonly foreign: Findings;
  /** Those of the above whose version another follower document carries too. */
  readonly duplicates: Findings;
  /** On the leader, and known to be refused by the follower, which has no copy or an older one. */
  readonly quarantined: Findings;
  /** Changed on the leader after the checkpoint and not seen in step before the deadline. */
  readonly undecided: Findings;
  /** Never seen exactly in step, since the leader kept changing them, but the follower passed a state read from the leader meanwhile. */
  readonly overtaken: number;
  /** Global checkpoint of each leader shard, by number, that was compared. */
  readonly checkpointByShard: readonly number[];
  /** Whether contents were compared. */
  readonly contentHash: boolean;
  readonly tookMs: number;
}

interface Collector<F extends Finding> extends Findings<F> {
  readonly add: (finding: F) => void;
}

function collector<F extends Finding>(samplesMax: number): Collector<F> {
  const samples: F[] = [];
  let total = 0;
  return {
    get total() {
      return total;
    },
    samples,
    add: (finding) => {
      total += 1;
      if (samples.length < samplesMax) samples.push(finding);
    },
  };
}

/** Everything counted so far. */
export interface Tally {
  readonly missing: Collector<Finding>;
  readonly extra: Collector<Finding>;
  readonly differing: Collector<DifferingFinding>;
  readonly foreign: Collector<Finding>;
  readonly duplicates: Collector<Finding>;
  readonly quarantined: Collector<Finding>;
  readonly undecided: Collector<Finding>;
  readonly checkpoints: Map<number, number>;
  compared: number;
  overtaken: number;
  leaderDocuments: number;
  followerDocuments: number;
}

export function emptyTally(samplesMax: number): Tally {
  return {
    missing: collector(samplesMax),
    extra: collector(samplesMax),
    differing: collector(samplesMax),
    foreign: collector(samplesMax),
    duplicates: collector(samplesMax),
    quarantined: collector(samplesMax),
    undecided: collector(samplesMax),
    checkpoints: new Map(),
    compared: 0,
    overtaken: 0,
    leaderDocuments: 0,
    followerDocuments: 0,
  };
}

export function reportOf(
  tally: Tally,
  facts: { leaderShards: number; contentHash: boolean; tookMs: number },
): VerifyReport {
  const { missing, extra, differing, foreign, duplicates, quarantined, undecided } = tally;
  const differences =
    missing.total + extra.total + differing.total + foreign.total + duplicates.total + quarantined.total;
  const outcome = differences > 0 ? 'different' : undecided.total > 0 ? 'undecided' : 'equal';
  const plain = <F extends Finding>({ total, samples }: Findings<F>): Findings<F> => ({ total, samples });
  return {
    outcome,
    equal: outcome === 'equal',
    compared: tally.compared,
    leaderDocuments: tally.leaderDocuments,
    followerDocuments: tally.followerDocuments,
    missing: plain(missing),
    extra: plain(extra),
    differing: plain(differing),
    foreign: plain(foreign),
    duplicates: plain(duplicates),
    quarantined: plain(quarantined),
    undecided: plain(undecided),
    overtaken: tally.overtaken,
    checkpointByShard: Array.from({ length: facts.leaderShards }, (_, shard) => tally.checkpoints.get(shard) ?? -1),
    contentHash: facts.contentHash,
    tookMs: facts.tookMs,
  };
}
