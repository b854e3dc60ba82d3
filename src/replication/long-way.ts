/** A long way to go, a first copy above all: several ranges of sequence numbers side by side, without a view. */
import { splitRange } from '../domain/ranges.ts';
import type { SearchPage } from '../domain/wire/search-page.ts';
import type { FollowerAudit } from './follower-audit.ts';
import { gathered } from './gathered.ts';
import type { FencedSight, FencedStats } from './leader-fence.ts';
import type { PageReader } from './page-reader.ts';
import type { PairProgress } from './pair-progress.ts';
import { copyRanges } from './range-copy.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';
import { earlyRefresh, stepEnd } from './step-end.ts';

/** One is read while the others are written. */
const RANGES = 4;
/** Pages of all ranges that come within this time are looked after together; other ranges are being written meanwhile. */
const LOOK_GATHER_MS = 40;
/** Small pages come soon one after the other, and are soon written. */
const DOCUMENTS_A_WAITED_MS = 100;

export interface LongWay {
  readonly ports: Pick<ReplicatorPorts, 'clock' | 'followerWatcher'>;
  readonly setup: ReplicatorSetup;
  readonly audit: FollowerAudit;
  readonly progress: PairProgress;
  readonly reader: PageReader;
  readonly wish: { readonly index: string; readonly shard: number; readonly nodeId: string };
  /** The leader as it is now; throws where it is not the same any more. */
  readonly look: () => Promise<FencedSight>;
  readonly write: (page: SearchPage) => Promise<void>;
  /** Something else waits for its next turn. */
  readonly brief: boolean;
}

/** Goes until the ranges are done or the step is to end. True: the leader's primary was another one in the midst of it. */
export async function goLongWay(way: LongWay, stats: FencedStats, signal: AbortSignal): Promise<boolean> {
  const { ports, setup, audit, progress, reader, wish, brief } = way;
  const { clock } = ports;
  const hands = Math.min(RANGES, setup.parameters.max_outstanding_read_requests);
  if (progress.ranges.length === 0) progress.ranges = splitRange(progress.checkpoint, stats.globalCheckpoint, hands);
  let failedOver = false;
  let [looks, provenLook] = [0, 0];
  const look = gathered(clock, way.look);
  const early = earlyRefresh(ports, setup, signal);
  const due = stepEnd(setup, { audit, clock, brief });
  let pages = 0;
  const ended = (): boolean => failedOver || due(pages);
  const firstCopy = progress.checkpoint < 0 && setup.leader.shards === 1;
  const nearlyDone = firstCopy ? early.begin : () => undefined;
  await copyRanges({ reader, progress, wish, hands, ended, nearlyDone }, signal, async (page) => {
    const [{ reach }, number] = [progress, ++looks];
    const fence = await look(signal, Math.min(LOOK_GATHER_MS, page.hits.length / DOCUMENTS_A_WAITED_MS));
    failedOver ||= fence.stats.primaryTerm !== stats.primaryTerm;
    // Ranges look side by side: an answer that was overtaken proves less than is known.
    if (!failedOver && number > provenLook) {
      provenLook = number;
      if (progress.proven(fence.stats, reach)) setup.moved();
    }
    await setup.syncMetadata(fence.observation, signal);
    await way.write(page);
    pages += 1;
  });
  if (!ended()) await early.ended();
  return failedOver;
}
