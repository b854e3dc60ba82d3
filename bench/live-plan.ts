/** What the live phase writes, made before it begins: the generator then costs next to nothing beside what it measures. */
import { indexLines, type Corpus } from './corpus.ts';

export type LiveKind = 'update' | 'create' | 'delete';

export interface LiveOperation {
  readonly kind: LiveKind;
  readonly id: string;
}

export interface LiveBatch {
  /** After the begin of the load. */
  readonly dueMs: number;
  readonly body: Buffer;
  readonly operations: readonly LiveOperation[];
}

/** The revision that updates and creates of the load carry; loaded documents carry 0. */
export const LIVE_REVISION = 1;

/** Of 30 operations 20 update and 3 delete. */
const CYCLE = 30;
const UPDATES = 20;
const DELETES = 3;
/** Coprime to the cycle: mixes the kinds. */
const STEP = 7;
/** A prime, coprime to every number of documents but its multiples: spreads neighbours over the whole index. */
const STRIDE = 611_953;

export interface LivePlanOptions {
  readonly corpus: Corpus;
  readonly operationsPerSecond: number;
  readonly seconds: number;
  readonly batchMs: number;
}

/** Every operation has a document of its own, so that what the follower shows of it says which operation it has seen. */
export function planLive({ corpus, operationsPerSecond, seconds, batchMs }: LivePlanOptions): readonly LiveBatch[] {
  const perBatch = Math.round((operationsPerSecond * batchMs) / 1000);
  const batches = Math.round((seconds * 1000) / batchMs);
  if (perBatch * batches > corpus.documents)
    throw new RangeError(`${perBatch * batches} operations need as many documents, there are ${corpus.documents}`);
  let next = 0;
  return Array.from({ length: batches }, (_, at) => {
    const operations: LiveOperation[] = [];
    let lines = '';
    for (let count = 0; count < perBatch; count += 1, next += 1) {
      const kind = kindOf(next);
      const document = (next * STRIDE) % corpus.documents;
      const id = kind === 'create' ? `new-${next}` : corpus.id(document);
      operations.push({ kind, id });
      lines +=
        kind === 'delete' ? `{"delete":{"_id":"${id}"}}\n` : indexLines(id, corpus.document(document, LIVE_REVISION));
    }
    return { dueMs: at * batchMs, body: Buffer.from(lines), operations };
  });
}

/** What is due before that time, and what is due after it, counted anew. */
export function splitPlan(
  plan: readonly LiveBatch[],
  afterMs: number,
): readonly [before: readonly LiveBatch[], after: readonly LiveBatch[]] {
  const after = plan.filter(({ dueMs }) => dueMs >= afterMs);
  return [
    plan.filter(({ dueMs }) => dueMs < afterMs),
    after.map((batch) => ({ ...batch, dueMs: batch.dueMs - afterMs })),
  ];
}

function kindOf(at: number): LiveKind {
  const place = (at * STEP) % CYCLE;
  if (place < UPDATES) return 'update';
  return place < UPDATES + DELETES ? 'delete' : 'create';
}
