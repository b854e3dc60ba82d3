/** One shard is paused and resumed by NATS while an application goes on writing: what the operator sees of it. */
import { integer } from '../src/cli/text.ts';
import type { CommandResult, PairStatus } from '../src/domain/commands.ts';
import { type Control, pause, until } from './control.ts';
import { DemoFailure } from './demo-failure.ts';
import { seconds, type Story } from './story.ts';

export interface PauseReport {
  /** Operations that the paused shard was behind when it was resumed. */
  readonly behind: number;
  readonly pausedMs: number;
  /** From the resume until the shard was where its leader had been then. */
  readonly caughtUpMs: number;
  /** Operations that the other shards applied meanwhile. */
  readonly appliedByOthers: number;
}

export interface PauseOptions {
  readonly story: Story;
  readonly control: Control;
  readonly shard: number;
  readonly pauseMs: number;
  readonly signal: AbortSignal;
}

/** That fit a terminal of 80 columns. */
const LINE_CHARACTERS = 75;
const EFFECTIVE_WITHIN_MS = 15_000;
const CAUGHT_UP_WITHIN_MS = 60_000;

export async function pauseAndResume({ story, control, shard, pauseMs, signal }: PauseOptions): Promise<PauseReport> {
  const look = async (): Promise<readonly PairStatus[]> => {
    const pairs = await control.pairs();
    story.live(shardLines(pairs, story));
    return pairs;
  };
  const send = async (command: 'pause' | 'resume', body: object): Promise<CommandResult> => {
    const subject = control.subject(shard, command);
    const text = `'${JSON.stringify(body)}'`;
    const line = `nats request ${subject} ${text}`;
    if (line.length <= LINE_CHARACTERS) story.command(line);
    else story.command(`nats request ${subject} \\`, text);
    const result = await control.command(subject, body);
    story.say(`{"accepted":${result.accepted},"effective":${result.effective}, ...}`);
    return result;
  };

  await send('pause', { by: 'demo' });
  const sentMs = performance.now();
  const before = await until(async () => paused(await look(), shard), {
    what: 'the pause to be effective',
    withinMs: EFFECTIVE_WITHIN_MS,
    signal,
  });
  story.settle([
    'Accepted: the decision is in the journal.',
    `Effective ${seconds(performance.now() - sentMs)} later: reading has stopped, the position is saved.`,
  ]);
  const pausedAtMs = performance.now();
  while (performance.now() - pausedAtMs < pauseMs) {
    await look();
    await pause(250, signal);
  }
  const after = await control.pairs();
  story.settle(shardLines(after, story));
  const standing = check({ before, after, shard });

  const resumedAtMs = performance.now();
  await send('resume', { by: 'demo', waitMs: 10_000 });
  await until(
    async () => ((await look()).every((pair) => pair.checkpoint >= goalOf(after, pair.shard)) ? true : undefined),
    {
      what: `shard ${shard} to catch up`,
      withinMs: CAUGHT_UP_WITHIN_MS,
      signal,
    },
  );
  const caughtUpMs = Math.round(performance.now() - resumedAtMs);
  story.settle(shardLines(await control.pairs(), story));
  return { ...standing, pausedMs: Math.round(resumedAtMs - pausedAtMs), caughtUpMs };
}

function paused(pairs: readonly PairStatus[], shard: number): readonly PairStatus[] | undefined {
  return pairs.some((pair) => pair.shard === shard && pair.state === 'paused') ? pairs : undefined;
}

function goalOf(pairs: readonly PairStatus[], shard: number): number {
  return pairs.find((pair) => pair.shard === shard)?.leaderGlobalCheckpoint ?? 0;
}

/** The paused shard has stood still and fallen behind, the others have gone on. */
function check({
  before,
  after,
  shard,
}: {
  before: readonly PairStatus[];
  after: readonly PairStatus[];
  shard: number;
}): { behind: number; appliedByOthers: number } {
  let behind = 0;
  let appliedByOthers = 0;
  for (const now of after) {
    const then = before.find((pair) => pair.shard === now.shard);
    const moved = now.checkpoint - (then?.checkpoint ?? 0);
    if (now.shard !== shard) {
      appliedByOthers += moved;
      continue;
    }
    behind = now.lagOperations ?? 0;
    if (moved !== 0)
      throw new DemoFailure(`shard ${shard} was paused, but went on from ${then?.checkpoint} to ${now.checkpoint}`);
    if (behind <= (then?.lagOperations ?? 0))
      throw new DemoFailure(
        `shard ${shard} was paused, but its lag did not grow: ${then?.lagOperations}, then ${behind}`,
      );
  }
  if (appliedByOthers <= 0) throw new DemoFailure(`the pause of shard ${shard} held up the other shard`);
  return { behind, appliedByOthers };
}

const LAG_SCALE = 1_000;
const LAG_CELLS = 16;
const COLOURS = {
  bootstrapping: 'cyan',
  following: 'green',
  retrying: 'yellow',
  paused: 'magenta',
  fatal: 'red',
} as const;

function shardLines(pairs: readonly PairStatus[], { paint }: Story): readonly string[] {
  return pairs.map(({ shard, state, lagOperations, checkpoint }) => {
    const behind = lagOperations ?? 0;
    const cells = Math.min(LAG_CELLS, Math.ceil((behind / LAG_SCALE) * LAG_CELLS));
    return [
      `shard ${shard}`,
      paint(COLOURS[state], state.padEnd(9)),
      `applied up to ${integer(checkpoint).padStart(7)}`,
      `${integer(behind).padStart(5)} behind`,
      paint(COLOURS[state], '▪'.repeat(cells)),
    ].join('  ');
  });
}
