import type { EventLog, ReadOptions, StoredEvent } from '../ports/event-log.ts';

type Journal = Pick<EventLog, 'read'>;

async function closeAll(iterators: readonly AsyncIterator<StoredEvent>[]): Promise<void> {
  await Promise.allSettled(iterators.map(async (iterator) => iterator.return?.()));
}

/** The newest backlog of several subjects, in order of sequence. */
async function* inOrder(
  sources: readonly AsyncIterable<StoredEvent>[],
): AsyncGenerator<{ source: number; stored: StoredEvent }> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
    for (;;) {
      let first = -1;
      for (const [at, head] of heads.entries()) {
        const best = heads[first];
        if (head.done !== true && (best === undefined || best.done === true || head.value.seq < best.value.seq))
          first = at;
      }
      const head = heads[first];
      const iterator = iterators[first];
      if (head === undefined || head.done === true || iterator === undefined) return;
      yield { source: first, stored: head.value };
      heads[first] = await iterator.next();
    }
  } finally {
    await closeAll(iterators);
  }
}

/** Whatever comes first. */
async function* asTheyCome(sources: readonly AsyncIterable<StoredEvent>[]): AsyncGenerator<StoredEvent> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const ask = async (at: number) => ({ at, answer: await iterators[at]?.next() });
  const asked = new Map(iterators.map((_, at) => [at, ask(at)]));
  try {
    while (asked.size > 0) {
      const { at, answer } = await Promise.race(asked.values());
      if (answer === undefined || answer.done === true) asked.delete(at);
      else {
        yield answer.value;
        asked.set(at, ask(at));
      }
    }
  } finally {
    await closeAll(iterators);
  }
}

/**
 * The events of all the filters from where the options begin, in order of sequence; with `follow`, new ones after those, as they are appended.
 * Each filter goes on behind its own last event, so that none is missed or told twice while the backlog is read.
 */
export async function* history(
  journal: Journal,
  filters: readonly string[],
  options: ReadOptions,
  signal: AbortSignal,
): AsyncGenerator<StoredEvent> {
  const next: (ReadOptions | undefined)[] = filters.map(() => undefined);
  for await (const { source, stored } of inOrder(
    filters.map((filter) => journal.read(filter, { ...options, follow: false }, signal)),
  )) {
    next[source] = { fromSeq: stored.seq + 1, follow: true };
    yield stored;
  }
  if (options.follow) yield* asTheyCome(filters.map((filter, at) => journal.read(filter, next[at] ?? options, signal)));
}
