/** What following costs the leader: its greatest rate of indexing with and without, each side on a core of its own. */
import { CITY_MAPPINGS } from '../demo/cities.ts';
import { runCommand } from '../stack/command.ts';
import { createIndex, expectCount, sendBodies } from './cluster.ts';
import { untilSame } from './live.ts';
import { allowedCores, groupMembers } from './process-cost.ts';
import { type Slipstream, startSlipstream } from './slipstream.ts';
import { median } from './statistics.ts';
import type { World } from './world.ts';

export interface PriceResult {
  /** Documents a second, one value for each round. */
  readonly without: readonly number[];
  readonly following: readonly number[];
  /** Of the medians. */
  readonly ratio: number;
  /** From the end of the load until the follower had everything, median. */
  readonly caughtUpSeconds: number;
}

const CONNECTIONS = 4;

export interface PriceOptions {
  readonly world: World;
  /** What is indexed in each round. */
  readonly bodies: readonly Buffer[];
  readonly documents: number;
  readonly rounds: number;
}

/** Throws where there is only one core. */
export async function measurePrice(options: PriceOptions): Promise<PriceResult> {
  const { world, rounds } = options;
  const cores = allowedCores();
  const [first, second] = cores;
  if (first === undefined || second === undefined)
    throw new Error('the price phase needs two cores: leave it out, with --only');
  await using supervisor = await startSlipstream(world);
  const { stack } = world;
  try {
    // The load is this process.
    await pin(world, [process.pid, ...groupMembers(stack.server('leader').pid)], [first]);
    const others = ['follower', 'nats'] as const;
    const groups = [...others.map((part) => stack.server(part).pid), supervisor.pid];
    await pin(world, groups.flatMap(groupMembers), [second]);
    const without: number[] = [];
    const following: number[] = [];
    const caughtUp: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      for (const way of round % 2 === 1 ? (['without', 'following'] as const) : (['following', 'without'] as const)) {
        const seen = await indexOnce(options, supervisor, { round, follow: way === 'following' });
        const rate = `${Math.round(seen.rate)} documents/s`;
        if (round === 0) {
          world.log(`price: warming up, which does not count, ${way}: ${rate}`);
          continue;
        }
        (way === 'following' ? following : without).push(seen.rate);
        if (seen.caughtUpSeconds !== undefined) caughtUp.push(seen.caughtUpSeconds);
        world.log(`price: round ${round} of ${rounds}, ${way}: ${rate}`);
      }
    }
    return {
      without,
      following,
      ratio: median(following) / median(without),
      caughtUpSeconds: median(caughtUp),
    };
  } finally {
    const everything = (['leader', 'follower', 'nats'] as const).flatMap((part) =>
      groupMembers(stack.server(part).pid),
    );
    await pin(world, [process.pid, ...everything], cores);
  }
}

async function indexOnce(
  { world, bodies, documents }: PriceOptions,
  supervisor: Slipstream,
  { round, follow }: { round: number; follow: boolean },
): Promise<{ rate: number; caughtUpSeconds?: number }> {
  const { leader, follower } = world;
  const leaderIndex = `price-${round}-${follow ? 'followed' : 'alone'}`;
  const followerIndex = `${leaderIndex}-copy`;
  await createIndex(leader, leaderIndex, { mappings: CITY_MAPPINGS, temporary: false });
  if (follow) await supervisor.follow(leaderIndex, followerIndex);
  await world.quiet();
  const startedMs = performance.now();
  await sendBodies(leader, leaderIndex, { bodies, connections: CONNECTIONS });
  const endedMs = performance.now();
  const rate = documents / ((endedMs - startedMs) / 1000);
  if (follow) {
    await untilSame({ world, leaderIndex, followerIndex });
    await supervisor.unfollow(followerIndex);
    await follower.call('DELETE', `/${followerIndex}`);
  }
  const caughtUpSeconds = (performance.now() - endedMs) / 1000;
  await leader.call('POST', `/${leaderIndex}/_refresh`);
  await expectCount(leader, leaderIndex, documents);
  await leader.call('DELETE', `/${leaderIndex}`);
  return { rate, ...(follow && { caughtUpSeconds }) };
}

/** All threads of these processes; those that start later inherit it. */
async function pin({ guard }: World, pids: readonly number[], cores: readonly number[]): Promise<void> {
  for (const pid of pids)
    await runCommand({
      file: 'taskset',
      args: ['--all-tasks', '--cpu-list', '--pid', cores.join(','), String(pid)],
      guard,
      missing: 'install taskset (Debian and Ubuntu: apt-get install util-linux)',
    });
}
