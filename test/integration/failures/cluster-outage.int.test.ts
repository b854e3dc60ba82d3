/**
 * Whole clusters go away under their pairs: killed, stopped, and refusing every credential. Nodes that go away are this test's own; each is behind
 * a proxy that writes down what is asked of it.
 */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { present } from '../../../src/domain/assert.ts';
import type { Outage } from '../../../src/domain/outage.ts';
import { ELASTIC_USER } from '../../../stack/elasticsearch.ts';
import { ADDRESS_VARIABLES, type Stack, startStack, withoutAddresses } from '../../../stack/local-stack.ts';
import { createIndex, loadDocuments } from '../../support/bulk-load.ts';
import { type HttpProxy, startHttpProxy } from '../../support/http-proxy.ts';
import { FOLLOWER, LEADER, openWorld, type World } from '../../support/replication-world.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const PASSWORD = 'a-password-of-the-tests';
const full = bySize({ short: false, full: true });
const WATCHED_FOR_MS = bySize({ short: 4_000, full: 12_000 });
/** Of a whole cluster: ten minutes, by which every wait that grows has reached its greatest. */
const KILLED_FOR_MS = bySize({ short: 4_000, full: 600_000 });
/** However long it was away: it is asked at least so often. */
const ASKED_WITHIN_MS = 10_000;
const WITHIN_MS = 60_000;

describe('a whole cluster is away', () => {
  let folder: string;
  let stack: Stack;
  let world: World;
  const proxies: Partial<Record<'left' | 'right', HttpProxy>> = {};
  const indices: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-outage-'));
    await chmod(folder, 0o755);
    // Without the long versions nothing is done to the follower.
    const environment = withoutAddresses(process.env, full ? ['leader', 'follower'] : ['leader']);
    stack = await startStack({
      parts: ['leader', 'follower'],
      folder,
      environment,
      leader: { heapMb: 512, security: { password: PASSWORD } },
      follower: { heapMb: 512 },
      log: (line) => console.log(line),
    });
    const leader = stack.server('leader').url;
    const follower = present(stack.env[ADDRESS_VARIABLES.follower], 'the address of a follower');
    proxies.left = await startHttpProxy(leader);
    proxies.right = await startHttpProxy(follower);
    world = await openWorld({
      leader: { url: leader, seenAt: proxies.left.url, username: ELASTIC_USER, password: PASSWORD },
      follower: { url: follower, seenAt: proxies.right.url },
      requestTimeoutMs: 3000,
    });
    await world.start();
    for (let n = 0; n < 4; n += 1) {
      const index = world.name();
      indices.push(index);
      await createIndex(world.leader, index);
      await loadDocuments(world.leader, index, 100);
      await world.follow(index);
    }
    for (const index of indices) await world.awaitSettled(index);
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    for (const proxy of Object.values(proxies)) await proxy[Symbol.asyncDispose]();
    await stack?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function outageOf(cluster: string): Promise<Outage | undefined> {
    const [status] = await world.control.status({ follower: world.followerOf(present(indices[0], 'an index')) });
    return status?.outages?.find((outage) => outage.cluster === cluster);
  }

  /** Every pair waits, says why, and the cluster is sent nothing but probes, one after the other. */
  async function awayIsSeen(
    cluster: 'left' | 'right',
    code: string,
    t: TestContext,
    watchedForMs = WATCHED_FOR_MS,
  ): Promise<void> {
    for (const index of indices)
      await world.awaitPairs(index, `${index} waits`, WITHIN_MS, ({ state }) => state === 'retrying');
    const outage = await until('the outage is told', WITHIN_MS, () => outageOf(cluster));
    assert.equal(outage.failure.code, code);
    const proxy = present(proxies[cluster], 'a proxy');
    // What was sent before has been answered or given up.
    await until('nothing but probes for a while', WITHIN_MS, async () => {
      const count = proxy.requests.length;
      await until('the next probe', WITHIN_MS, () => Promise.resolve(proxy.requests.length > count + 1 || undefined));
      return proxy.requests.slice(count).every(({ path }) => isProbe(path)) || undefined;
    });
    proxy.clear();
    const startedAtMs = performance.now();
    await until('it was watched for long enough', watchedForMs + WITHIN_MS, () =>
      Promise.resolve(performance.now() - startedAtMs > watchedForMs || undefined),
    );
    const requests = [...proxy.requests];
    assert.ok(requests.length >= 1 && requests.every(({ path }) => isProbe(path)));
    const seconds = Map.groupBy(requests, ({ atMs }) => Math.floor(atMs / 1000));
    const most = Math.max(...[...seconds.values()].map(({ length }) => length));
    assert.ok(most <= 10, `${most} requests in one second`);
    const after = present(await outageOf(cluster), 'the outage');
    assert.equal(after.sinceMs, outage.sinceMs);
    assert.equal(after.waiting, 2 * indices.length);
    assert.ok((after.nextProbeAtMs ?? 0) <= Date.now() + ASKED_WITHIN_MS, JSON.stringify(after));
    t.diagnostic(`${cluster}: ${requests.length} probes in ${watchedForMs} ms, at most ${most} in one second`);
    for (const index of indices)
      for (const pair of (await world.status(index))?.pairs ?? [])
        assert.deepEqual([pair.state, pair.failure?.code, pair.desired], ['retrying', code, 'running']);
  }

  /** Nobody does anything. */
  async function goesOn(t: TestContext, back: () => Promise<unknown>): Promise<void> {
    await back();
    const backAtMs = performance.now();
    for (const index of indices)
      await world.awaitPairs(index, `${index} follows`, WITHIN_MS, ({ state }) => state === 'following');
    t.diagnostic(`all pairs follow ${Math.round(performance.now() - backAtMs)} ms after the primaries were active`);
    for (const index of indices) {
      await world.leader.ok('PUT', `/${index}/_doc/after-${Math.round(backAtMs)}`, { number: -1 });
      await world.awaitSettled(index);
      assert.ok((await world.compare(index)).equal);
    }
    assert.equal(await outageOf(LEADER), undefined);
    assert.equal(await outageOf(FOLLOWER), undefined);
  }

  const primariesActive = async (side: 'leader' | 'follower'): Promise<unknown> =>
    world[side].ok('GET', `/_cluster/health/${indices.join(',')}?wait_for_status=yellow&timeout=60s`);

  it('a leader that is killed: commands are answered meanwhile, and it is found again after its start', async (t) => {
    await stack.server('leader').kill('SIGKILL');
    await awayIsSeen('left', 'cluster_unreachable', t, KILLED_FOR_MS);
    const [first = '', second = ''] = indices;
    const resumed = await world.control.resume({ follower: world.followerOf(first) });
    assert.equal(resumed.accepted, true);
    const paused = await world.control.pause({ follower: world.followerOf(second), waitMs: 20_000 });
    assert.equal(paused.effective, true);
    assert.equal((await world.control.resume({ follower: world.followerOf(second) })).accepted, true);
    await goesOn(t, async () => {
      await stack.server('leader').restart();
      await primariesActive('leader');
    });
  });

  if (full)
    it('a follower that is killed', async (t) => {
      await stack.server('follower').kill('SIGKILL');
      await awayIsSeen('right', 'cluster_unreachable', t, KILLED_FOR_MS);
      await goesOn(t, async () => {
        await stack.server('follower').restart();
        await primariesActive('follower');
      });
    });

  if (full)
    it('a follower that hangs', async (t) => {
      const node = stack.server('follower');
      await node.kill('SIGSTOP');
      try {
        await awayIsSeen('right', 'request_timeout', t);
      } finally {
        await node.kill('SIGCONT');
      }
      await goesOn(t, () => primariesActive('follower'));
    });

  it('a leader that refuses every credential', async (t) => {
    // As with a key that was revoked, seen from the supervisor.
    const proxy = present(proxies.left, 'a proxy');
    proxy.treat = () => ({ kind: 'headers', headers: { authorization: 'Basic bm9ib2R5OndydW5n' } });
    await awayIsSeen('left', 'unauthorized', t);
    await goesOn(t, async () => {
      proxy.treat = () => ({ kind: 'pass' });
    });
  });
});

function isProbe(path: string): boolean {
  return path.startsWith('/_cluster/state/version');
}
