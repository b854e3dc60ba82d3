/** The servers of the demo, the names it uses on them, and the configuration that says so. */
import { randomBytes } from 'node:crypto';
import { JetStreamApiCodes, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { answersStream } from '../src/infra/nats/answer-store.ts';
import { leasesStream } from '../src/infra/nats/lease-store.ts';
import { zipkinTraceUrl } from '../src/infra/telemetry/trace-link.ts';
import { ADDRESS_VARIABLES, startStack, type Stack } from '../stack/local-stack.ts';
import { callCluster } from './cluster-call.ts';
import { failureLines } from './demo-failure.ts';
import type { Story } from './story.ts';

export const LEADER = 'paris';
export const FOLLOWER = 'tokyo';

const REMOVED_WITHIN_MS = 15_000;

/** Unique where a server was given by its address, since others may use it too. */
export interface Names {
  readonly index: string;
  readonly subjectPrefix: string;
  readonly stream: string;
}

export interface Servers extends Names {
  readonly stack: Stack;
  readonly leaderUrl: string;
  readonly followerUrl: string;
  readonly natsUrl: string;
  readonly zipkinUrl: string;
  readonly nats: NatsConnection;
}

type Environment = Readonly<Record<string, string | undefined>>;

export async function startServers({
  story,
  env,
  signal,
}: {
  story: Story;
  env: Environment;
  signal: AbortSignal;
}): Promise<Servers> {
  // The stack is killed when its signal fires; once it serves, it is stopped in its turn instead.
  const starting = new AbortController();
  const giveUp = (): void => starting.abort();
  signal.addEventListener('abort', giveUp);
  try {
    const stack = await startStack({
      parts: ['leader', 'follower', 'nats', 'zipkin'],
      log: (line) => story.say(story.paint('dim', line)),
      signal: starting.signal,
    });
    const natsUrl = addressOf(stack, 'nats');
    return {
      ...namesFor(env),
      stack,
      leaderUrl: addressOf(stack, 'leader'),
      followerUrl: addressOf(stack, 'follower'),
      natsUrl,
      zipkinUrl: addressOf(stack, 'zipkin'),
      nats: await connectOrStop(natsUrl, stack),
    };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

async function connectOrStop(servers: string, stack: Stack): Promise<NatsConnection> {
  try {
    return await connect({ servers, name: 'slipstream demo', maxReconnectAttempts: -1 });
  } catch (error) {
    await stack.stop();
    throw error;
  }
}

function addressOf(stack: Stack, part: keyof typeof ADDRESS_VARIABLES): string {
  const url = stack.env[ADDRESS_VARIABLES[part]];
  if (url === undefined) throw new Error(`the stack has no address of ${part}`);
  return url.replace(/\/+$/, '');
}

function namesFor(env: Environment): Names {
  const given = Object.values(ADDRESS_VARIABLES).some((variable) => (env[variable] ?? '') !== '');
  if (!given) return { index: 'cities', subjectPrefix: 'slipstream', stream: 'SLIPSTREAM_JOURNAL' };
  const tag = randomBytes(3).toString('hex');
  return { index: `cities-${tag}`, subjectPrefix: `slipstream-${tag}`, stream: `SLIPSTREAM_JOURNAL_${tag}` };
}

/** What a reader would write, and no more. */
export function configOf({ leaderUrl, followerUrl, natsUrl, zipkinUrl, subjectPrefix, stream }: Servers): string {
  return `clusters:
  ${LEADER}:
    url: ${leaderUrl}
  ${FOLLOWER}:
    url: ${followerUrl}
nats:
  servers: ${natsUrl}
  subjectPrefix: ${subjectPrefix}
  stream: ${stream}
defaults:
  # The share of time in which deletes may be looked for. The default, 0.02, spares clusters that others use.
  scan_share: 0.5
telemetry:
  traces:
    exporter: zipkin
    endpoint: ${zipkinUrl}/api/v2/spans
  uiTraceUrl: ${zipkinTraceUrl(zipkinUrl, '{traceId}')}
`;
}

/** Stops what the demo started, and removes what it made on servers that go on without it. Tells what could not be removed. */
export async function closeServers(
  servers: Servers,
  { story, env }: { story: Story; env: Environment },
): Promise<void> {
  const { stack, leaderUrl, followerUrl, index, nats, stream } = servers;
  const isGiven = (variable: string): boolean => (env[variable] ?? '') !== '';
  const removal = async (what: string, remove: () => Promise<unknown>): Promise<void> => {
    try {
      await remove();
    } catch (error) {
      story.say(story.paint('yellow', `${what} could not be removed: ${failureLines(error)[0]}`));
    }
  };
  const removeIndex = (url: string): Promise<unknown> =>
    callCluster(
      { url },
      { method: 'DELETE', path: `/${index}?ignore_unavailable=true` },
      AbortSignal.timeout(REMOVED_WITHIN_MS),
    );
  if (isGiven(ADDRESS_VARIABLES.leader)) await removal(`${leaderUrl}/${index}`, () => removeIndex(leaderUrl));
  if (isGiven(ADDRESS_VARIABLES.follower)) await removal(`${followerUrl}/${index}`, () => removeIndex(followerUrl));
  if (isGiven(ADDRESS_VARIABLES.nats))
    for (const name of [stream, answersStream(stream), leasesStream(stream)])
      await removal(`the stream ${name}`, () => removeStream(nats, name));
  await nats.close();
  await stack.stop();
}

async function removeStream(nats: NatsConnection, stream: string): Promise<void> {
  try {
    await (await jetstreamManager(nats)).streams.delete(stream);
  } catch (error) {
    // The supervisor makes it, if it comes that far.
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
  }
}
