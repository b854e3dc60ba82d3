/** The progress of the first copy, shard by shard, as the supervisor tells it over NATS. */
import type { PairStatus } from '../src/domain/commands.ts';
import { integer } from '../src/cli/text.ts';
import { type Control, until } from './control.ts';
import { DemoFailure } from './demo-failure.ts';
import { bar, type Story } from './story.ts';

const WITHIN_MS = 600_000;

export interface FirstCopy {
  readonly documents: number;
  readonly tookMs: number;
  readonly documentsPerSecond: number;
}

/** Resolves when every shard is following. */
export async function watchFirstCopy({
  story,
  control,
  documents,
  signal,
}: {
  story: Story;
  control: Control;
  documents: number;
  signal: AbortSignal;
}): Promise<FirstCopy> {
  const startedMs = performance.now();
  const line = ({ shard, state, progress, operationsWritten, operationsPerSecond }: PairStatus): string =>
    [
      `shard ${shard}`,
      bar(state === 'following' ? 1 : progress, story.paint),
      `${integer(operationsWritten).padStart(7)} documents`,
      state === 'bootstrapping' ? `${integer(operationsPerSecond).padStart(6)}/s` : state,
    ].join('  ');
  const last = await until(
    async () => {
      const pairs = await control.pairs();
      refuseFatal(pairs);
      story.live(pairs.map(line));
      return pairs.length > 0 && pairs.every(({ state }) => state === 'following') ? pairs : undefined;
    },
    { what: 'every shard to be following', withinMs: WITHIN_MS, signal },
  );
  const tookMs = Math.round(performance.now() - startedMs);
  story.settle(last.map(line));
  return { documents, tookMs, documentsPerSecond: Math.round(documents / (tookMs / 1000)) };
}

/** There is nothing to wait for any more. */
export function refuseFatal(pairs: readonly PairStatus[]): void {
  for (const { shard, state, failure } of pairs)
    if (state === 'fatal')
      throw new DemoFailure(`shard ${shard} has stopped: ${failure?.code}: ${failure?.reason}`, [failure?.hint ?? '']);
}
