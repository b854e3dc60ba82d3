/** What takes servers of its own: killed and restarted nodes, a restored index, credentials. The leader is secured, so that everything goes through them. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { diagnose } from '../../../src/app/diagnosis.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { epochBase } from '../../../src/domain/version.ts';
import { type Stack, startStack, withoutAddresses } from '../../../stack/local-stack.ts';
import { ELASTIC_USER } from '../../../stack/elasticsearch.ts';
import { createIndex, loadDocuments, SLOW_READING_BYTES } from '../../support/bulk-load.ts';
import { operationsLeft, total } from '../../support/copy-left.ts';
import { readIndex } from '../../support/read-index.ts';
import { refusalOf } from '../../support/refusals.ts';
import { openWorld, type SideOptions, type World } from '../../support/replication-world.ts';
import { endOfLog } from '../../support/supervisor-process.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { bySize } from '../../support/test-size.ts';
import { until } from '../../support/until.ts';

const PASSWORD = 'a-password-of-the-tests';
const SETTLED_WITHIN_MS = 120_000;

/** Documents `lost-0`, `lost-1`, ... */
async function writeNumbered({ leader }: World, index: string, word: string, documents: number): Promise<void> {
  const line = (at: number): string => `{"index":{"_id":"${word}-${at}"}}\n{"at":${at}}\n`;
  const body = Array.from({ length: documents }, (_, at) => line(at)).join('');
  const { errors } = await leader.ok('POST', `/${index}/_bulk?filter_path=errors`, body);
  assert.equal(errors, false);
}

describe('with nodes of our own', () => {
  let folder: string;
  let stack: Stack;
  let world: World;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-own-nodes-'));
    await chmod(folder, 0o755);
    const environment = withoutAddresses(process.env, ['leader', 'follower']);
    stack = await startStack({
      parts: ['leader', 'follower'],
      folder,
      environment,
      leader: {
        heapMb: 512,
        security: { password: PASSWORD },
        settings: { 'path.repo': join(folder, 'leader', 'snapshots') },
      },
      follower: { heapMb: 512 },
      log: (line) => console.log(line),
    });
    const leaderAs = (username: string, password = PASSWORD): SideOptions => ({
      url: stack.server('leader').url,
      username,
      password,
    });
    world = await openWorld({
      leader: { ...leaderAs(ELASTIC_USER), readRateLimitBytes: SLOW_READING_BYTES },
      follower: { url: stack.server('follower').url },
      clusters: {
        mistaken: leaderAs(ELASTIC_USER, 'not-the-password'),
        'sees-some': leaderAs('sees-some'),
        'sees-fields': leaderAs('sees-fields'),
        'sees-nothing': leaderAs('sees-nothing'),
      },
      requestTimeoutMs: 3000,
    });
    await world.start();
  });

  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await stack?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('refuses wrong credentials, missing privileges, and a reader who sees only a part, before anything is changed', async () => {
    const index = world.name('-readers');
    await createIndex(world.leader, index, {
      mappings: { properties: { open: { type: 'keyword' }, closed: { type: 'keyword' } } },
    });
    await world.leader.ok('PUT', `/${index}/_doc/1?refresh=true`, { open: 'yes', closed: 'no' });
    // Document- and field-level security need more than a basic licence.
    await world.leader.ok('POST', '/_license/start_trial?acknowledge=true');
    const grants = {
      'sees-some': { query: { match_all: {} } },
      'sees-fields': { field_security: { grant: ['open'] } },
      'sees-nothing': undefined,
    };
    for (const [user, grant] of Object.entries(grants)) {
      const indices = [
        { names: ['*'], privileges: ['read', 'monitor', 'maintenance', 'view_index_metadata'], ...grant },
      ];
      await world.leader.ok('PUT', `/_security/role/${user}`, {
        cluster: ['monitor'],
        indices: grant === undefined ? [] : indices,
      });
      await world.leader.ok('PUT', `/_security/user/${user}`, { password: PASSWORD, roles: [user] });
    }
    const expected = {
      mistaken: 'unauthorized',
      'sees-some': 'reader_sees_part',
      'sees-fields': 'reader_sees_part',
      'sees-nothing': 'forbidden',
    };
    for (const [cluster, code] of Object.entries(expected)) {
      const failure = await refusalOf(world, { leader: { cluster, index }, follower: world.followerOf(index) });
      assert.deepEqual([failure.code, failure.cluster], [code, cluster]);
      assert.ok(!JSON.stringify(failure).includes(PASSWORD) && !JSON.stringify(failure).includes('not-the-password'));
    }
    await world.follow(index);
    await world.awaitSettled(index);
  });

  it('is told by doctor which credentials are wrong and which privileges are missing, each by its name', async () => {
    const config = await loadConfig(world.configFile);
    const index = world.name('-privileges');
    await world.leader.ok('PUT', '/_security/role/sees-little', {
      cluster: ['monitor'],
      indices: [{ names: ['*'], privileges: ['monitor', 'maintenance', 'view_index_metadata'] }],
    });
    await world.leader.ok('PUT', '/_security/user/sees-nothing', { password: PASSWORD, roles: ['sees-little'] });
    const entry = { parameters: {}, settings: {}, follower: world.followerOf(index) };
    const follow = ['left', 'sees-nothing'].map((cluster) => ({ ...entry, leader: { cluster, index } }));
    const found = await diagnose({ ...config, follow }, new AbortController().signal);
    const failures = Object.fromEntries(
      found.flatMap(({ subject, check, failure }) =>
        failure === undefined ? [] : [[`${subject}: ${check}`, `${failure.code}: ${failure.reason}`]],
      ),
    );
    assert.match(failures['cluster mistaken: reachable'] ?? '', /^unauthorized: /);
    assert.equal(failures['cluster sees-nothing: privileges'], `forbidden: the key lacks read on ${index}`);
    const leader = found.find(({ subject, check }) => subject === 'cluster left' && check === 'privileges');
    assert.deepEqual([leader?.outcome, leader?.detail], ['ok', 'all that a leader needs']);
  });

  it('goes on from its position when the follower is killed while it bootstraps, whatever it had only acknowledged', async (t: TestContext) => {
    const kills = bySize({ short: 1, full: 10 });
    // Long enough for a second save, which comes 10 s after the first.
    const documents = bySize({ short: 65_000, full: 80_000 });
    const random = seededRandom(31);
    const node = stack.server('follower');
    for (let kill = 1; kill <= kills; kill += 1) {
      const index = world.name(`-kill-${kill}`);
      await createIndex(world.leader, index);
      await loadDocuments(world.leader, index, documents);
      await world.follow(index, { max_read_request_operation_count: 200 });
      const nothingSaved = await operationsLeft(world, index);
      const left = await until('a cursor is saved', 60_000, async () => {
        const now = await operationsLeft(world, index);
        return now.every((operations, shard) => operations < (nothingSaved[shard] ?? 0)) ? now : undefined;
      });
      await delay(random() * 1000);
      await node.kill('SIGKILL');
      const written = (
        await world.awaitPairs(index, 'the pairs wait for the follower', 30_000, ({ state }) => state === 'retrying')
      ).map((pair) => pair.operationsWritten);
      await node.restart();
      const pairs = await world.awaitSettled(index, SETTLED_WITHIN_MS);
      const again = pairs.map((pair) => pair.operationsWritten - (written[pair.shard] ?? 0));
      t.diagnostic(
        `left by the saved position ${left.join('+')} of ${documents}, written before the kill ${written.join('+')}, after it ${again.join('+')}`,
      );
      for (const [shard, operations] of again.entries())
        assert.ok(
          operations <= (left[shard] ?? 0),
          `shard ${shard} wrote no more than its position left\n${await endOfLog(world.logFile, 40)}`,
        );
      assert.ok(total(left) > 0 && total(left) < documents, 'the saved position was somewhere in the middle');
      assert.ok(total(written) < documents, 'the kill came before everything was copied');
      for (const { conflicts, foreignWrites, scanSurprises } of pairs)
        assert.deepEqual(
          { conflicts, foreignWrites, scanSurprises },
          { conflicts: 0, foreignWrites: 0, scanSurprises: 0 },
        );
      const comparison = await world.compare(index);
      assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
      assert.equal(comparison.rightDocuments, documents);
    }
  });

  it('waits for a leader that is down, says why and when it tries again, and goes on by itself', async () => {
    const index = world.name('-down');
    await createIndex(world.leader, index);
    await loadDocuments(world.leader, index, 100);
    await world.follow(index);
    await world.awaitSettled(index);
    const node = stack.server('leader');
    await node.kill('SIGKILL');
    const waiting = await world.awaitPairs(
      index,
      'the pairs wait for the leader',
      60_000,
      ({ state, attempt, nextTryAtMs }) => state === 'retrying' && attempt >= 1 && nextTryAtMs !== undefined,
    );
    for (const { failure, desired } of waiting) {
      assert.deepEqual([failure?.code, failure?.cluster, desired], ['cluster_unreachable', 'left', 'running']);
      assert.match(failure?.reason ?? '', /ECONNREFUSED|ECONNRESET/);
    }
    await node.restart();
    await world.leader.ok('PUT', `/${index}/_doc/after`, { number: -1 });
    await world.awaitSettled(index);
    assert.ok((await world.compare(index)).equal);
  });

  it('stops for an operator, or copies anew in place, by policy, when the leader was restored from a snapshot', async () => {
    const policies = ['fail', 'rebootstrap'] as const;
    const indices = policies.map((policy) => world.name(`-restored-${policy}`));
    for (const [at, index] of indices.entries()) {
      await createIndex(world.leader, index);
      await loadDocuments(world.leader, index, 400);
      await world.follow(index, { on_missing_history: policies[at] ?? 'fail' });
    }
    for (const index of indices) await world.awaitSettled(index);
    const names = indices.join(',');
    const location = join(folder, 'leader', 'snapshots');
    await world.leader.ok('PUT', '/_snapshot/tests', { type: 'fs', settings: { location } });
    await world.leader.ok('PUT', '/_snapshot/tests/before?wait_for_completion=true', {
      indices: names,
      include_global_state: false,
    });
    for (const index of indices) {
      await writeNumbered(world, index, 'lost', 50);
      await world.leader.ok('DELETE', `/${index}/_doc/doc-7`);
    }
    for (const index of indices) await world.awaitSettled(index);
    const followers = await Promise.all(
      indices.map((index) => world.follower.ok('GET', `/${index}/_settings?flat_settings=true`)),
    );
    await world.leader.ok('POST', `/${names}/_close`);
    await world.leader.ok('POST', '/_snapshot/tests/before/_restore?wait_for_completion=true', {
      indices: names,
      include_global_state: false,
    });
    // Numbers that were given before are given again, to other documents.
    for (const index of indices) await writeNumbered(world, index, 'new', 80);

    const [failing = '', automatic = ''] = indices;
    const stopped = await world.awaitPairs(failing, 'the pairs stop', 60_000, ({ state }) => state === 'fatal');
    for (const { failure } of stopped) {
      assert.equal(failure?.code, 'history_changed');
      assert.match(failure?.hint ?? '', /--on-missing-history rebootstrap/);
    }
    assert.equal(
      (await world.follower.ok('GET', `/${failing}/_doc/lost-1`))['found'],
      true,
      'what was copied stays searchable',
    );
    await world.control.resume({ follower: world.followerOf(failing), rebootstrap: true });

    for (const [at, index] of [failing, automatic].entries()) {
      const pairs = await world.awaitSettled(index);
      for (const { conflicts, foreignWrites } of pairs)
        assert.deepEqual({ conflicts, foreignWrites }, { conflicts: 0, foreignWrites: 0 });
      // Each shard takes the epoch above what the index holds by then: the first one 2, the other one the same or the next.
      const epochs = pairs.map(({ epoch }) => epoch).toSorted((one, other) => one - other);
      assert.ok(epochs[0] === 2 && (epochs[1] === 2 || epochs[1] === 3), `epochs ${epochs.join(', ')}`);
      assert.equal(epochs.length, 2);
      const comparison = await world.compare(index);
      assert.ok(comparison.equal, JSON.stringify(comparison).slice(0, 1000));
      assert.equal(comparison.rightDocuments, 480);
      assert.deepEqual(
        await world.follower.ok('GET', `/${index}/_settings?flat_settings=true`),
        followers[at],
        'it is the same index',
      );
      for await (const { version, id } of readIndex({ url: world.follower.url, index }))
        assert.ok(version >= epochBase(2), `${id} was written under the new epoch`);
    }
  });
});
