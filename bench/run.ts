/** The phases in their order, over servers that live as long. */
import { BODY_DOCUMENTS, bodiesOf, CITIES, type Corpus, corpusOf, loadCorpus } from './corpus.ts';
import { measureCycle } from './cycle.ts';
import { installedElasticdump } from './elasticdump.ts';
import { bigCopies, PRICE_COPIES } from './estimate.ts';
import { type CopyRun, measureCopy, measureFirstCopies, resultsOf } from './first-copy.ts';
import { measureLive } from './live.ts';
import type { BenchOptions, Phase, Variant } from './options.ts';
import { measurePrice } from './price.ts';
import { noiseOf } from './statistics.ts';
import type { Figures } from './targets.ts';
import { openWorld, type World } from './world.ts';

const LEADER_INDEX = 'cities';

export interface RunOptions {
  readonly options: BenchOptions;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
}

/** Throws when a copy is not complete, or a server or program fails. */
export async function runBenchmark({ options, signal, log }: RunOptions): Promise<Figures> {
  await using world = await openWorld({ signal, log });
  const { copies, rounds, phases } = options;
  const corpus = await corpusOf(copies);
  const has = (phase: Phase): boolean => phases.includes(phase);
  const { runs, live, price } = await onOneIndex(world, options, corpus);
  const groups = runs.length === 0 ? [] : resultsOf(runs);
  const floor = groups.find(({ group }) => group === 'floor');
  const big = has('big')
    ? ([await measureCycle(world, copies), await measureCycle(world, bigCopies(copies))] as const)
    : undefined;
  return {
    documents: corpus.documents,
    rounds,
    groups,
    noise: noiseOf(floor?.runs.map(({ seconds }) => seconds) ?? []),
    ...(live && { live }),
    ...(price && { price }),
    ...(big && { big }),
  };
}

type OnOneIndex = { readonly runs: readonly CopyRun[] } & Pick<Figures, 'live' | 'price'>;

/** What copies the same index: the live phase changes it, so it comes after the copies. */
async function onOneIndex(world: World, options: BenchOptions, corpus: Corpus): Promise<OnOneIndex> {
  const { variants, phases, rounds } = options;
  const { leader, guard, log } = world;
  const [wantsLive, wantsPrice] = [phases.includes('live'), phases.includes('price')];
  if (variants.length === 0 && !wantsLive && !wantsPrice) return { runs: [] };
  log(`loading the leader: ${corpus.documents} documents`);
  await loadCorpus(leader, { index: LEADER_INDEX, corpus, onProgress: () => undefined });
  const elasticdump = variants.includes('elasticdump') ? await installedElasticdump({ guard, log }) : undefined;
  const bodies = variants.length > 0 || wantsPrice ? await bodiesOf(leader, LEADER_INDEX) : [];
  const versioned = variants.includes('floor-reading') ? await bodiesOf(leader, LEADER_INDEX, { versioned: true }) : [];
  const { documents } = corpus;
  const task = { world, leaderIndex: LEADER_INDEX, documents, bodies, versioned, elasticdump };
  if (variants.length > 0) log(`warming up: ${WARM_UP.join(', ')}, which do not count`);
  for (const variant of variants.length > 0 ? WARM_UP : []) await measureCopy(task, { variant, round: 0 });
  const runs = await measureFirstCopies({ ...task, variants, rounds });
  const live = wantsLive ? await measureLive({ world, leaderIndex: LEADER_INDEX, corpus }) : undefined;
  const price = wantsPrice ? await measurePrice({ world, ...firstBodies(bodies, documents), rounds }) : undefined;
  await leader.call('DELETE', `/${LEADER_INDEX}`);
  return { runs, ...(live && { live }), ...(price && { price }) };
}

/** Java compiles what reading and indexing need during the first copies, whoever makes them: here nobody's that counts. */
const WARM_UP: readonly Variant[] = ['floor-4', 'reindex-ranges-2', 'slipstream'];

function firstBodies(bodies: readonly Buffer[], documents: number): { bodies: readonly Buffer[]; documents: number } {
  const count = Math.ceil((PRICE_COPIES * CITIES) / BODY_DOCUMENTS);
  return count >= bodies.length
    ? { bodies, documents }
    : { bodies: bodies.slice(0, count), documents: count * BODY_DOCUMENTS };
}
