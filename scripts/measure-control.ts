/** The measuring of `bench-control.ts`. */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { jetstreamManager } from '@nats-io/jetstream';
import { commandClient } from '../src/control/client.ts';
import { answersStream } from '../src/infra/nats/answer-store.ts';
import { connectNats } from '../src/infra/nats/connect.ts';
import { natsCommandTransport } from '../src/infra/nats/command-client.ts';
import { systemClock } from '../src/infra/system/clock.ts';
import { systemRandom } from '../src/infra/system/random.ts';
import { startStack } from '../stack/local-stack.ts';
import { FOLLOWER, openControlPlane, type RunningPlane } from '../test/support/control-plane.ts';
import { fixedOwnership } from '../test/support/fixed-ownership.ts';
import { until } from '../test/support/until.ts';
import { endSignal } from './steps.ts';

const COMMANDS = 200;
const IDLE_MS = 10_000;
const PEAK_EVERY_MS = 20;

const { values } = parseArgs({
  options: {
    indices: { type: 'string', default: '2000' },
    shards: { type: 'string', default: '5' },
    crashed: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const [indices, shards] = [Number(values.indices), Number(values.shards)];
const pairs = indices * shards;
const log = (line: string): void => (values.json ? undefined : console.log(line));

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

interface Memory {
  readonly heapBytes: number;
  readonly rssBytes: number;
}

function memory(): Memory {
  collect();
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapBytes: heapUsed, rssBytes: rss };
}

const bare = memory();
await using stack = await startStack({ parts: ['nats'], log, signal: endSignal() });
const servers = stack.env['SLIPSTREAM_NATS_URL'] ?? '';
const tag = `${process.pid}`;
const names = { prefix: `slipstream-bench-${tag}`, stream: `SLIPSTREAM_BENCH_${tag}` };
const nats = await connectNats({ servers: [servers], name: 'slipstream bench' });
const client = await connectNats({ servers: [servers], name: 'slipstream bench client' });
try {
  const report = await measure();
  if (values.json) console.log(JSON.stringify(report));
  else console.log(report);
} finally {
  const jsm = await jetstreamManager(nats);
  for (const stream of [names.stream, answersStream(names.stream)])
    await jsm.streams.delete(stream).catch(() => undefined);
  await client.close();
  await nats.close();
}

async function measure(): Promise<object> {
  const ownership = fixedOwnership({ term: 2, released: !values.crashed });
  const plane = await openControlPlane({ nats, ...names, indices, shards, ownership });
  log(`${pairs} pairs of ${indices} indices stand in the journal`);
  const before = memory();
  const peak = watchPeak();
  const startedAt = performance.now();
  const running = await plane.start();
  const foldedMs = performance.now() - startedAt;
  await until('every pair is watched', 120_000, async () => (allWatched(running) ? true : undefined));
  const watchedMs = performance.now() - startedAt;
  await systemClock.sleep(2000);
  const peakRssBytes = peak.end();
  const after = memory();
  const fakesBytes = before.heapBytes - bare.heapBytes;
  const idle = await idleTraffic();
  const control = commandClient({
    transport: natsCommandTransport(client, { prefix: names.prefix }),
    clock: systemClock,
    random: systemRandom,
    timeoutMs: 120_000,
  });
  const pauses: number[] = [];
  const resumes: number[] = [];
  for (let at = 0; at < COMMANDS; at += 1) {
    const follower = { cluster: FOLLOWER, index: plane.names[at % indices] ?? '' };
    const shard = at % shards;
    pauses.push(await timed(() => control.pause({ follower, shard })));
    resumes.push(await timed(() => control.resume({ follower, shard })));
  }
  const everything = { cluster: FOLLOWER, index: '*' };
  const statusMs = await timed(() => control.status({}));
  const listMs = await timed(() => control.list());
  const pauseAllMs = await timed(() => control.pause({ follower: everything }));
  const resumeAllMs = await timed(() => control.resume({ follower: everything }));
  const stopMs = await timed(() => running.stop());
  return {
    pairs,
    indices,
    searchClusters: 'fakes in memory',
    start: { foldedMs: Math.round(foldedMs), watchedMs: Math.round(watchedMs) },
    memory: {
      heapAddedMb: megabytes(after.heapBytes - before.heapBytes),
      heapBytesPerPair: Math.round((after.heapBytes - before.heapBytes) / pairs),
      heapOfFakesMb: megabytes(fakesBytes),
      rssWithoutFakesMb: {
        peakOfStart: megabytes(peakRssBytes - fakesBytes),
        idle: megabytes(after.rssBytes - fakesBytes),
      },
    },
    idle,
    pauseAcceptedMs: quantiles(pauses),
    resumeAcceptedMs: quantiles(resumes),
    all: {
      statusMs: Math.round(statusMs),
      listMs: Math.round(listMs),
      pauseMs: Math.round(pauseAllMs),
      resumeMs: Math.round(resumeAllMs),
    },
    stopMs: Math.round(stopMs),
  };
}

/** The greatest resident memory until it is ended. */
function watchPeak(): { end(): number } {
  let peakBytes = 0;
  const look = (): void => void (peakBytes = Math.max(peakBytes, process.memoryUsage.rss()));
  const timer = setInterval(look, PEAK_EVERY_MS);
  return {
    end() {
      look();
      clearInterval(timer);
      return peakBytes;
    },
  };
}

/** In its recorded state, with its position loaded. */
function allWatched({ supervisor }: RunningPlane): boolean {
  return supervisor.pairs.length === pairs && supervisor.pairs.every(({ session }) => session.replicator !== undefined);
}

async function idleTraffic(): Promise<object> {
  const from = nats.stats();
  const cpu = process.cpuUsage();
  await systemClock.sleep(IDLE_MS);
  const to = nats.stats();
  const used = process.cpuUsage(cpu);
  const bytes = to.inBytes - from.inBytes + to.outBytes - from.outBytes;
  return {
    natsBytesPerSecond: Math.round(bytes / (IDLE_MS / 1000)),
    natsBytesPerSecondPer1000Pairs: Math.round(bytes / (IDLE_MS / 1000) / (pairs / 1000)),
    cpuShare: Number(((used.user + used.system) / 1000 / IDLE_MS).toFixed(2)),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function quantiles(times: readonly number[]): object {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1));
  return { median: at(0.5), p99: at(0.99), max: at(1) };
}

function megabytes(sizeBytes: number): number {
  return Math.round(sizeBytes / 1024 / 1024);
}
