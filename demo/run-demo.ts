/** The life of everything the demo starts. Whatever happens in between, it is stopped in its order, and what it made is removed. */
import { stripVTControlCharacters } from 'node:util';
import { type Guard, startGuard } from '../stack/guard.ts';
import { natsControl } from './control.ts';
import { DemoFailure, failureLines, Interrupted } from './demo-failure.ts';
import { type Figures, playScenes, type Stage } from './scenes.ts';
import { configOf, FOLLOWER, closeServers, type Servers, startServers } from './servers.ts';
import type { Story } from './story.ts';
import { type SlipstreamCommand, slipstreamIn, type SupervisorProcess } from './supervisor-process.ts';

export interface DemoOptions {
  readonly story: Story;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly documents: number;
  /** Once it is over, however it went, leave everything up until the signal. */
  readonly keep: boolean;
  /** Fires when everything is to be stopped; its reason is an `Interrupted`. */
  readonly signal: AbortSignal;
  /** Gets the figures before anything is stopped. */
  readonly tell: (figures: Figures) => void;
}

/** Throws DemoFailure for a claim that did not hold, Interrupted, StackError, or what nobody foresaw. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { story, env, signal } = options;
  const guard = startGuard();
  try {
    story.step('Two clusters, NATS, a tracing UI, and a supervisor, all on this machine');
    const servers = await startServers({ story, env, signal });
    try {
      await withSupervisor(options, servers, guard);
    } finally {
      story.settle();
      await closeServers(servers, { story, env });
    }
  } finally {
    await guard.sweep();
  }
}

async function withSupervisor(options: DemoOptions, servers: Servers, guard: Guard): Promise<void> {
  const { story, signal, tell, documents } = options;
  const slipstream = await slipstreamIn(servers.stack.folder, { config: configOf(servers), guard });
  const supervisor = slipstream.start();
  const control = natsControl({
    nats: servers.nats,
    prefix: servers.subjectPrefix,
    follower: { cluster: FOLLOWER, index: servers.index },
  });
  const stage: Stage = {
    story,
    servers,
    slipstream,
    control,
    documents,
    signal: AbortSignal.any([signal, supervisor.lost]),
  };
  try {
    tell(await playScenes(stage));
    if (options.keep) await stayUp(stage);
  } catch (error) {
    signal.throwIfAborted();
    const isLost = supervisor.lost.aborted;
    const cause: unknown = isLost ? supervisor.lost.reason : error;
    const failure = new DemoFailure(failureLines(cause).join('\n'), await evidence(slipstream, supervisor));
    if (options.keep && !isLost) {
      story.say('', ...failureLines(failure).map((line) => story.paint('red', line)));
      await stayUp(stage);
    }
    throw failure;
  } finally {
    // While it still runs, so that nothing of the replication stays on servers that go on without the demo.
    await control.unfollow().catch(() => undefined);
    const code = await supervisor.stop();
    if (code !== 0)
      story.say(story.paint('yellow', `The supervisor did not stop in good order (${code ?? 'killed'}).`));
  }
}

/** What a reader would ask for first when something went wrong. */
async function evidence(slipstream: SlipstreamCommand, supervisor: SupervisorProcess): Promise<readonly string[]> {
  const status = await slipstream.run(['status'], AbortSignal.timeout(10_000)).catch(() => undefined);
  const shown = status === undefined ? 'no answer' : stripVTControlCharacters(status.stdout + status.stderr).trimEnd();
  return ['', 'slipstream status:', shown, '', "The end of the supervisor's log:", ...(await supervisor.logTail())];
}

async function stayUp({ story, servers, signal }: Stage): Promise<void> {
  const { index, stack } = servers;
  story.step('Yours now');
  story.say('Everything stays up until Ctrl-C here. In another terminal:', '');
  const copy = `${FOLLOWER}:${index}`;
  story.command(`cd ${stack.folder}`);
  story.command('./slipstream status --watch');
  story.command(`./slipstream pause ${copy}/0 --wait`);
  story.command(`./slipstream resume ${copy}/0 --wait`);
  story.command(`./slipstream events ${copy}`);
  story.command(
    `curl -XPUT ${servers.leaderUrl}/${index}/_doc/atlantis \\`,
    '-H content-type:application/json -d \'{"name":"Atlantis"}\'',
  );
  story.command(`curl ${servers.followerUrl}/${index}/_doc/atlantis`);
  story.command(`./slipstream verify ${copy} --content`);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
  if (!(signal.reason instanceof Interrupted)) signal.throwIfAborted();
}
