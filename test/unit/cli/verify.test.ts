import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VerifyRequest } from '../../../src/app/program.ts';
import { failed } from '../../../src/domain/failure.ts';
import type { VerifyReport } from '../../../src/replication/verify/report.ts';
import { bench } from './cli-bench.ts';

const none = { total: 0, samples: [] };
const leader = { cluster: 'paris', index: 'cities' };

function report(over: Partial<VerifyReport> = {}): VerifyReport {
  return {
    outcome: 'equal',
    equal: true,
    compared: 135_233,
    leaderDocuments: 135_233,
    followerDocuments: 135_233,
    missing: none,
    extra: none,
    differing: none,
    foreign: none,
    duplicates: none,
    quarantined: none,
    undecided: none,
    overtaken: 0,
    checkpointByShard: [67_615, 67_616],
    contentHash: false,
    tookMs: 1234,
    ...over,
  };
}

const different = report({
  outcome: 'different',
  equal: false,
  missing: {
    total: 2,
    samples: ['a', 'b\u001b[2J'].map((id) => ({
      id,
      routing: undefined,
      shard: 0,
      leaderSeqNo: 7,
      followerVersion: undefined,
    })),
  },
  differing: {
    total: 1,
    samples: [{ id: 'c', routing: 'r', shard: 1, leaderSeqNo: 8, followerVersion: 9, cause: 'content' }],
  },
  contentHash: true,
});

const verifying = (found: VerifyReport) => bench({ deps: { verify: async () => ({ leader, report: found }) } });

describe('slipstream verify', () => {
  it('ends with 0 when both sides are equal', async () => {
    const cli = verifying(report());
    assert.equal(await cli.run('verify', 'tokyo:cities'), 0);
    assert.equal(
      cli.out(),
      'tokyo:cities equals paris:cities (identity, 1.2 s)\n  compared 135,233\n  at checkpoints 0: 67615, 1: 67616\n',
    );
  });

  it('ends with 1 when they differ, and names the documents', async () => {
    const cli = verifying(different);
    assert.equal(await cli.run('verify', 'tokyo:cities', '--content', '--samples', '1'), 1);
    assert.deepEqual(cli.out().split('\n'), [
      'tokyo:cities DIFFERS FROM paris:cities (identity and content, 1.2 s)',
      '  compared 135,233  missing 2  differing 1',
      '  at checkpoints 0: 67615, 1: 67616',
      '  missing      id=a  leader_seq_no=7',
      '  differing    id=c  routing=r  by=content  leader_seq_no=8  follower_version=9',
      '  --samples N names more of them',
      '',
    ]);
  });

  it('ends with 2 when not every document could be compared', async () => {
    const cli = verifying(report({ outcome: 'undecided', equal: false, undecided: { total: 1, samples: [] } }));
    assert.equal(await cli.run('verify', 'tokyo:cities'), 2);
    assert.match(cli.out(), /could not be compared wholly with paris:cities/);
  });

  it('ends with 2 when it could not compare at all, whatever the reason', async () => {
    for (const code of ['cluster_unreachable', 'unknown_pair', 'history_changed', 'forbidden'] as const)
      for (const json of [false, true]) {
        const cli = bench({ deps: { verify: () => Promise.reject(failed(code, { op: 'verify', reason: 'so' })) } });
        assert.equal(await cli.run('verify', 'tokyo:cities', ...(json ? ['--json'] : [])), 2);
        if (json) assert.equal((cli.json() as { failure: { code: string } }).failure.code, code);
        else assert.match(cli.err(), new RegExp(`^slipstream: ${code}: verify: so\nnext: `));
      }
  });

  it('gives the whole report in JSON', async () => {
    const cli = verifying(different);
    assert.equal(await cli.run('verify', 'tokyo:cities', '--json'), 1);
    assert.deepEqual(cli.json(), JSON.parse(JSON.stringify({ ok: true, result: { leader, report: different } })));
  });

  it('asks for what was asked', async () => {
    const asked: Omit<VerifyRequest, 'onProgress'>[] = [];
    const cli = bench({
      deps: {
        verify: async (_, { onProgress: _ignored, ...request }) => {
          asked.push(request);
          return { leader, report: report() };
        },
      },
    });
    await cli.run('verify', 'tokyo:cities');
    await cli.run('verify', 'tokyo:a.b', '--content');
    assert.deepEqual(asked, [
      { follower: { cluster: 'tokyo', index: 'cities' }, content: false },
      { follower: { cluster: 'tokyo', index: 'a.b' }, content: true },
    ]);
    assert.deepEqual(cli.log, ['load ./slipstream.yml', 'load ./slipstream.yml'], 'no supervisor is needed');
  });

  it('shows progress on a terminal, and takes it away again', async () => {
    const cli = bench({
      deps: {
        isTty: true,
        verify: async (_, { onProgress }) => {
          onProgress({ phase: 'reading', documents: 1000, doubtful: 2 });
          onProgress({ phase: 'reading', documents: 1001, doubtful: 2 });
          return { leader, report: report() };
        },
      },
    });
    assert.equal(await cli.run('verify', 'tokyo:cities'), 0);
    assert.equal(cli.err(), '\r\u001b[Kreading: 1,000 documents, 2 to look at again\r\u001b[K');
  });

  it('says without a terminal what it waits for, and for how long, but not in JSON', async () => {
    let nowMs = 0;
    const deps: Parameters<typeof bench>[0] = {
      deps: {
        now: () => nowMs,
        verify: async (_, { onProgress }) => {
          onProgress({ phase: 'reading', documents: 2, doubtful: 1 });
          for (nowMs = 0; nowMs < 30_000; nowMs += 1000) onProgress({ phase: 'settling', documents: 2, doubtful: 1 });
          return { leader, report: different };
        },
      },
    };
    const cli = bench(deps);
    assert.equal(await cli.run('verify', 'tokyo:cities'), 1);
    const line =
      'slipstream: verify: 1 not equal at first sight; looking again for up to 1m00s, since they may be on their way\n';
    assert.equal(cli.err(), line.repeat(2));
    const json = bench(deps);
    assert.equal(await json.run('verify', 'tokyo:cities', '--json'), 1);
    assert.equal(json.err(), '');
  });

  it('ends at once on Ctrl-C', async () => {
    const cli = bench({
      deps: {
        verify: async (_, __, signal) => {
          cli.signal('SIGINT');
          signal.throwIfAborted();
          throw new Error('not aborted');
        },
      },
    });
    assert.equal(await cli.run('verify', 'tokyo:cities'), 130);
    assert.equal(cli.err(), '');
  });
});
