/** An index of a chaos run: followed, under load, and compared in the end. */
import type { PairStatus } from '../../src/domain/commands.ts';
import { type Churn, type ChurnReport, createChurnIndex, startChurn } from '../support/churn/churn.ts';
import type { IndexComparison } from '../support/compare-indices.ts';
import { LEADER, maxSeqNos } from '../support/replication-world.ts';
import { until } from '../support/until.ts';
import type { Field } from './field.ts';
import { verifyContent } from './verify-content.ts';

export interface ChurnedIndex {
  readonly index: string;
  readonly churn: Churn;
}

export interface IndexOutcome {
  readonly index: string;
  readonly churn: ChurnReport;
  /** Of `slipstream verify --content`: `equal`, or what it said. */
  readonly verified: string;
  /** Past the product. */
  readonly comparison: IndexComparison | undefined;
  readonly pairs: readonly PairStatus[];
  /** Empty: nothing was lost, and nothing had to be done by hand. */
  readonly faulty: readonly string[];
}

export interface ChurnedIndexOptions {
  readonly suffix: string;
  readonly seed: number;
  readonly operationsPerSecond: number;
}

const SHARDS = 2;
const IDS = 5_000;
const WRITERS = 2;
const RECOVERED_WITHIN_MS = 120_000;
const SETTLED_WITHIN_MS = 120_000;
/** Writers meet a cluster without a master for some seconds, again and again. */
const WRITER_FAILURES_MAX = 3_000;

export async function churnedIndex(
  field: Field,
  { suffix, seed, operationsPerSecond }: ChurnedIndexOptions,
): Promise<ChurnedIndex> {
  const { world } = field;
  const index = world.name(suffix);
  const address = { url: world.leader.url, index };
  const settings = { number_of_replicas: 1, 'index.unassigned.node_left.delayed_timeout': '0s' };
  await createChurnIndex(address, { shards: SHARDS, gcDeletes: '1s', settings });
  await world.control.follow({
    leader: { cluster: LEADER, index },
    follower: world.followerOf(index),
    // A copy that was away for long meets many deletes at once.
    parameters: { mass_delete_share: 1 },
    settings: { 'index.number_of_replicas': 0 },
  });
  const churn = await startChurn({
    ...address,
    seed,
    writers: WRITERS,
    ids: IDS,
    operationsPerSecond,
    timeoutMs: 5_000,
    otherUrls: field.leaders.map(({ server }) => server.url).filter((url) => url !== address.url),
    failuresMax: WRITER_FAILURES_MAX,
  });
  // It is waited for at the end; a writer may give up before.
  churn.done.catch(() => undefined);
  return { index, churn };
}

/** Every pair follows, whoever owns it, and has applied what the leader had when this was called. */
export async function upToDate(field: Field, index: string): Promise<void> {
  const giveUpAtMs = performance.now() + RECOVERED_WITHIN_MS;
  const goals = await until('the primaries of the leader', RECOVERED_WITHIN_MS, async () => {
    const found = await maxSeqNos(field.leaderSide(), index).catch(() => undefined);
    return found?.size === SHARDS && [...found.values()].every((seqNo) => seqNo >= 0) ? found : undefined;
  });
  let seen: readonly PairStatus[] = [];
  await until(
    `the copy of ${index} is up to date`,
    giveUpAtMs - performance.now(),
    async () => {
      seen = (await field.world.status(index))?.pairs ?? [];
      const arrived = ({ shard, state, checkpoint }: PairStatus): boolean =>
        state === 'following' && checkpoint >= (goals.get(shard) ?? Infinity);
      return (seen.length === SHARDS && seen.every(arrived)) || undefined;
    },
    () => JSON.stringify({ goals: [...goals], seen }, undefined, 1),
  );
}

/** Everything is healed, and the writers were told to stop. */
export async function outcomeOf(field: Field, { index, churn }: ChurnedIndex): Promise<IndexOutcome> {
  const { world } = field;
  const faulty: string[] = [];
  const report = await churn.done;
  if (report.operations === 0) faulty.push(`${index}: nothing was written`);
  let pairs: readonly PairStatus[] = [];
  let verified = 'not run';
  let comparison: IndexComparison | undefined;
  try {
    pairs = await world.awaitSettled(index, SETTLED_WITHIN_MS);
    verified = await verifyContent(field, index);
    if (verified !== 'equal') faulty.push(`${index}: verify --content: ${verified}`);
    comparison = await world.compare(index);
    if (!comparison.equal)
      faulty.push(`${index}: compared past the product: ${JSON.stringify(comparison).slice(0, 2000)}`);
  } catch (error) {
    faulty.push(`${index}: ${String(error)}`);
    pairs = (await world.status(index))?.pairs ?? [];
  }
  for (const { shard, state, failure } of pairs)
    if (state === 'fatal') faulty.push(`${index}: shard ${shard} is fatal: ${failure?.code} ${failure?.reason}`);
  return { index, churn: report, verified, comparison, pairs, faulty };
}
