import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VerifyRequest } from '../../../src/app/program.ts';
import type { RepairCommand } from '../../../src/domain/commands.ts';
import { failed } from '../../../src/domain/failure.ts';
import type { Finding, VerifyReport } from '../../../src/replication/verify/report.ts';
import type { CliDependencies } from '../../../src/cli/dependencies.ts';
import { bench, type Bench, index, pair } from './cli-bench.ts';

const none = { total: 0, samples: [] };
const leader = { cluster: 'paris', index: 'cities' };
const follower = { cluster: 'tokyo', index: 'cities' };

function report(over: Partial<VerifyReport> = {}): VerifyReport {
  const differs = Object.keys(over).length > 0;
  return {
    outcome: differs ? 'different' : 'equal',
    equal: !differs,
    compared: 10,
    leaderDocuments: 10,
    followerDocuments: 10,
    missing: none,
    extra: none,
    differing: none,
    foreign: none,
    duplicates: none,
    quarantined: none,
    undecided: none,
    overtaken: 0,
    checkpointByShard: [9],
    contentHash: true,
    tookMs: 1000,
    ...over,
  };
}

const finding = (id: string, over: Partial<Finding> = {}): Finding => ({
  id,
  routing: undefined,
  shard: 0,
  leaderSeqNo: 7,
  followerVersion: 9,
  ...over,
});
const listed = <F extends Finding>(...samples: readonly F[]) => ({ total: samples.length, samples });

const different = report({
  missing: listed(finding('gone\u001b[2J', { followerVersion: undefined })),
  extra: listed(finding('more', { leaderSeqNo: undefined, routing: 'r', shard: undefined })),
  differing: listed({ ...finding('other'), cause: 'content' as const }),
  // The same document twice is repaired once.
  foreign: listed(finding('other')),
});

/** Each comparison gives the next report. */
function repairing(reports: readonly VerifyReport[], asked: VerifyRequest[] = []): Bench {
  const left = [...reports];
  return bench({
    deps: {
      verify: async (_config, request) => {
        asked.push(request);
        return { leader, report: left.shift() ?? assert.fail('no further comparison') };
      },
    },
    answer: ({ name, given }) =>
      name === 'repair'
        ? {
            commandId: 'c',
            accepted: true,
            effective: true,
            pairs: [],
            documents: (given as RepairCommand).documents.map(({ id }) => (id === 'more' ? 'deleted' : 'sent')),
          }
        : undefined,
  });
}

describe('slipstream repair', () => {
  it('a dry run names what would be done, asks no supervisor, and ends as verify does', async () => {
    const asked: VerifyRequest[] = [];
    const cli = repairing([different], asked);
    assert.equal(await cli.run('repair', 'tokyo:cities', '--content', '--dry-run'), 1);
    assert.deepEqual(cli.surface.calls, []);
    assert.ok(!cli.log.includes('connect'));
    assert.deepEqual([asked[0]?.follower, asked[0]?.content], [follower, true]);
    const lines = cli.out().split('\n');
    assert.deepEqual(lines.slice(3, 6), [
      '  missing    id=gone  shard=0  leader_seq_no=7  send it again',
      '  extra      id=more  routing=r  follower_version=9  delete it',
      '  differing  id=other  shard=0  by=content  leader_seq_no=7  follower_version=9  send it again',
    ]);
    assert.match(cli.out(), /Would repair 3 documents; nothing was changed\./);
  });

  it('has the supervisor repair what was found, compares again, and ends with what that says', async () => {
    const cli = repairing([different, report()]);
    assert.equal(await cli.run('repair', 'tokyo:cities'), 0);
    const [call] = cli.surface.calls;
    assert.equal(call?.name, 'repair');
    const { documents, by } = call.given as RepairCommand;
    assert.equal(by, 'cli:tester');
    assert.deepEqual(documents, [
      { id: 'gone\u001b[2J', shard: 0 },
      { id: 'more', routing: 'r' },
      { id: 'other', shard: 0 },
    ]);
    assert.match(cli.out(), /id=more {2}routing=r {2}follower_version=9 {2}deleted\n/);
    assert.match(cli.out(), /repaired: sent 2, deleted 1\n/);
    assert.match(cli.out(), /tokyo:cities equals paris:cities/);
  });

  it('ends with 1 when something still differs', async () => {
    const cli = repairing([different, different]);
    assert.equal(await cli.run('repair', 'tokyo:cities', '--json'), 1);
    const { result } = cli.json() as { result: { documents: { id: string; done: string }[]; dryRun: boolean } };
    assert.equal(result.dryRun, false);
    assert.deepEqual(
      result.documents.map(({ done }) => done),
      ['sent', 'deleted', 'sent'],
    );
  });

  it('asks nobody when both sides are equal, or when only what is in quarantine differs', async () => {
    for (const [found, exit] of [
      [report(), 0],
      [report({ quarantined: listed(finding('refused')) }), 1],
    ] as const) {
      const cli = repairing([found]);
      assert.equal(await cli.run('repair', 'tokyo:cities'), exit);
      assert.deepEqual(cli.surface.calls, []);
      assert.match(cli.out(), /Nothing to repair\./);
    }
  });

  it('deletes more than the allowed share only when told so', async () => {
    const gone = (count: number): readonly Finding[] =>
      Array.from({ length: count }, (_, at) => finding(`gone-${at}`, { leaderSeqNo: undefined }));
    const found = (extra: number, followerDocuments: number): VerifyReport =>
      report({ extra: listed(...gone(extra)), followerDocuments });
    for (const [extra, documents] of [
      [101, 300],
      [9_000, 9_000],
    ] as const) {
      const refused = repairing([found(extra, documents)]);
      assert.equal(await refused.run('repair', 'tokyo:cities', '--json'), 65);
      const { failure } = refused.json() as { failure: { code: string; reason: string } };
      assert.equal(failure.code, 'mass_delete');
      assert.match(failure.reason, new RegExp(`${extra} of ${documents} documents`));
      assert.ok(!refused.log.includes('connect'));
      assert.equal(await repairing([found(extra, documents)]).run('repair', 'tokyo:cities', '--dry-run'), 1);
    }
    for (const [extra, documents, ...flags] of [
      [100, 100],
      [101, 400],
      [300, 300, '--allow-mass-delete'],
    ] as const) {
      const cli = repairing([found(extra, documents), report()]);
      assert.equal(await cli.run('repair', 'tokyo:cities', ...flags), 0);
    }
  });

  it('goes in several commands where one message would not carry it', async () => {
    const many = Array.from({ length: 1_100 }, (_, at) => finding(`${'x'.repeat(500)}${at}`));
    const cli = repairing([report({ missing: listed(...many) }), report()]);
    assert.equal(await cli.run('repair', 'tokyo:cities'), 0);
    const sizes = cli.surface.calls.map(({ given }) => JSON.stringify(given).length);
    assert.ok(sizes.length > 3 && sizes.every((size) => size < 200_000), sizes.join());
    const ids = cli.surface.calls.flatMap(({ given }) => (given as RepairCommand).documents.map(({ id }) => id));
    assert.deepEqual(
      ids,
      many.map(({ id }) => id),
    );
  });

  it('knows from the supervisor which shards have stopped, and none where there is no supervisor', async () => {
    const shards = (['following', 'fatal', 'retrying', 'paused'] as const).map((state, shard) =>
      pair({ state, shard }),
    );
    const connects: Partial<CliDependencies> = {};
    const failing: Partial<CliDependencies> = {
      connectControl: () => Promise.reject(failed('no_supervisor', { op: 'status', reason: 'nobody answers' })),
    };
    for (const [deps, expected] of [
      [connects, [1, 3]],
      [failing, []],
    ] as const) {
      let stopped: ReadonlySet<number> | undefined;
      const cli = bench({
        deps: {
          ...deps,
          verify: async (_config, request) => {
            stopped = await request.stopped?.();
            return { leader, report: report() };
          },
        },
        answer: ({ name }) => (name === 'status' ? [index(shards)] : undefined),
      });
      assert.equal(await cli.run('repair', 'tokyo:cities'), 0);
      assert.deepEqual(stopped, new Set(expected));
    }
  });

  it('ends with 2 when it could not compare', async () => {
    const cli = bench({
      deps: { verify: () => Promise.reject(failed('cluster_unreachable', { op: 'verify', reason: 'so' })) },
    });
    assert.equal(await cli.run('repair', 'tokyo:cities'), 2);
  });

  it('tells why a shard cannot be repaired, and ends as other commands do when none can', async () => {
    const paused = failed('not_following', { op: 'repair', reason: 'tokyo/cities/0 is paused' });
    const deps = { verify: async () => ({ leader, report: different }) };
    const refused = bench({ deps, answer: ({ name }) => (name === 'repair' ? Promise.reject(paused) : undefined) });
    assert.equal(await refused.run('repair', 'tokyo:cities'), 65);
    assert.match(refused.err(), /tokyo\/cities\/0 is paused/);
    const pairs = [{ shard: 0, accepted: false, effective: false, state: 'paused', failure: paused.failure }];
    const answer = { commandId: 'c', accepted: false, effective: false, pairs, documents: [null, 'deleted', null] };
    const inPart = bench({ deps, answer: ({ name }) => (name === 'repair' ? answer : undefined) });
    assert.equal(await inPart.run('repair', 'tokyo:cities'), 1);
    assert.match(inPart.out(), /shard 0: not_following.*is paused/);
    assert.match(inPart.out(), /repaired: deleted 1, not done 2/);
  });
});
