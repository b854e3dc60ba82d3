import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EXIT, exitOf } from '../../../src/cli/exit-codes.ts';
import { failed, FAILURES, type FailureCode } from '../../../src/domain/failure.ts';
import { accepted, bench, index, pair } from './cli-bench.ts';

const follower = { cluster: 'tokyo', index: 'cities' };
const by = 'cli:tester';
const failure = (code: FailureCode) => failed(code, { op: 'pause', reason: 'because' }).failure;

describe('what a command asks of the supervisor', () => {
  const asked: readonly (readonly [readonly string[], string, object])[] = [
    [['pause', 'tokyo:cities'], 'pause', { follower, by, waitMs: 0 }],
    [['pause', 'tokyo:cities/1', '--wait'], 'pause', { follower, shard: 1, by, waitMs: 60_000 }],
    [['pause', '--wait', '5', 'tokyo:cities'], 'pause', { follower, by, waitMs: 5 }],
    [['pause', 'tokyo:cities', '--wait', '10s', '--json'], 'pause', { follower, by, waitMs: 10_000 }],
    [
      ['pause', '--wait', 'tokyo:a.b-c_ü+'],
      'pause',
      { follower: { cluster: 'tokyo', index: 'a.b-c_ü+' }, by, waitMs: 60_000 },
    ],
    [['unfollow', 'tokyo:cities', '--wait=2m'], 'unfollow', { follower, by, waitMs: 120_000 }],
    [['resume', 'tokyo:cities'], 'resume', { follower, rebootstrap: false, allowMassDelete: false, by, waitMs: 0 }],
    [
      ['resume', 'tokyo:cities/0', '--on-missing-history', 'rebootstrap', '--allow-mass-delete'],
      'resume',
      { follower, shard: 0, rebootstrap: true, allowMassDelete: true, by, waitMs: 0 },
    ],
    [
      ['follow', 'paris:cities', 'tokyo:cities'],
      'follow',
      { leader: { cluster: 'paris', index: 'cities' }, follower, parameters: {}, settings: {}, by, waitMs: 0 },
    ],
    [
      [
        'follow',
        'paris:cities',
        'tokyo:cities',
        '--set',
        'index.number_of_replicas=0',
        '--set',
        'index.x=a=b',
        '--param',
        'max_read_request_size_bytes=8mb',
        '--param',
        'scan_share=0.5',
      ],
      'follow',
      {
        leader: { cluster: 'paris', index: 'cities' },
        follower,
        parameters: { max_read_request_size_bytes: 8 * 1024 ** 2, scan_share: 0.5 },
        settings: { 'index.number_of_replicas': '0', 'index.x': 'a=b' },
        by,
        waitMs: 0,
      },
    ],
    [
      ['follow', 'paris:cities', 'tokyo:cities', '--shards', '3'],
      'follow',
      {
        leader: { cluster: 'paris', index: 'cities' },
        follower,
        parameters: {},
        settings: { 'index.number_of_shards': '3' },
        by,
        waitMs: 0,
      },
    ],
    [['status'], 'status', {}],
    [['status', 'tokyo:cities'], 'status', { follower }],
    [['status', 'tokyo:cities/12', '--json'], 'status', { follower, shard: 12 }],
    [['quarantine', 'list'], 'quarantine', {}],
    [['quarantine', 'list', 'tokyo:cities/2'], 'quarantine', { follower, shard: 2 }],
    [['quarantine', 'retry', 'tokyo:cities', '--wait', '5s'], 'retryQuarantine', { follower, by, waitMs: 5000 }],
  ];
  for (const [argv, name, given] of asked)
    it(`slipstream ${argv.join(' ')}`, async () => {
      const cli = bench({
        answer: ({ name: called }) => (called === 'status' || called === 'quarantine' ? [] : accepted()),
      });
      assert.equal(await cli.run(...argv), 0, cli.err());
      assert.deepEqual(cli.surface.calls, [{ name, given }]);
      assert.deepEqual(cli.log, ['load ./slipstream.yml', 'connect', 'close']);
    });
});

describe('what became of a command', () => {
  const told = async (result: object, ...argv: readonly string[]): Promise<readonly [number, string]> => {
    const cli = bench({ answer: () => accepted(result) });
    return [await cli.run('pause', 'tokyo:cities', ...argv), cli.out()];
  };

  it('is told for the whole and for each shard', async () => {
    assert.deepEqual(await told({}), [0, 'pause tokyo:cities: done\n  shard 0  done, paused\n']);
  });

  it('tells no state of what is followed no longer', async () => {
    const pairs = [{ shard: 0, accepted: true, effective: true, state: 'following' as const }];
    const cli = bench({ answer: () => accepted({ pairs }) });
    assert.equal(await cli.run('unfollow', 'tokyo:cities'), 0);
    assert.equal(cli.out(), 'unfollow tokyo:cities: done\n  shard 0  done, no longer followed\n');
  });

  it('names the cluster that a failure is of', async () => {
    const refusal = failed('leader_missing', { op: 'follow', cluster: 'paris', reason: 'there is no index nope' });
    const cli = bench({ answer: () => Promise.reject(refusal) });
    assert.equal(await cli.run('follow', 'paris:nope', 'tokyo:nope'), 65);
    assert.match(cli.err(), /^slipstream: leader_missing: follow: cluster paris: there is no index nope\nnext: /);
  });

  it('is success without --wait when accepted, and exit 1 with --wait when it is not effective in time', async () => {
    const pending = { effective: false, pairs: [{ shard: 0, accepted: true, effective: false, state: 'following' }] };
    assert.deepEqual(await told(pending), [
      0,
      'pause tokyo:cities: accepted; slipstream status tokyo:cities shows when it is effective\n  shard 0  accepted, following\n',
    ]);
    const [code, text] = await told(pending, '--wait', '1s');
    assert.equal(code, 1);
    assert.match(text, /accepted, but not effective in time/);
  });

  it('names the refusal of a shard with its next step, and exits as it says', async () => {
    const refused = {
      accepted: false,
      effective: false,
      pairs: [
        { shard: 0, accepted: false, effective: false, state: 'following', failure: failure('journal_conflict') },
      ],
    };
    assert.deepEqual(await told(refused), [
      75,
      'pause tokyo:cities: refused\n  shard 0  refused, following: journal_conflict: pause: because\nnext: Another supervisor appended to the same subject; the state is read again.\n',
    ]);
  });

  it('is told as stopped, with the next step, when a shard is fatal at once', async () => {
    const fatal = {
      effective: false,
      pairs: [{ shard: 0, accepted: true, effective: false, state: 'fatal', failure: failure('settings_rejected') }],
    };
    for (const argv of [[], ['--wait', '1s']])
      assert.deepEqual(await told(fatal, ...argv), [
        65,
        `pause tokyo:cities: accepted, and stopped: fatal\n  shard 0  accepted, fatal: settings_rejected: pause: because\nnext: ${FAILURES.settings_rejected.hint}\n`,
      ]);
  });

  it('is exit 1 with the next step when a shard is still retrying after --wait', async () => {
    const retrying = {
      effective: false,
      pairs: [
        { shard: 0, accepted: true, effective: false, state: 'retrying', failure: failure('cluster_unreachable') },
      ],
    };
    const [code, text] = await told(retrying, '--wait', '1s');
    assert.equal(code, 1);
    assert.match(text, /not effective in time/);
    assert.ok(text.endsWith(`next: ${FAILURES.cluster_unreachable.hint}\n`));
  });

  it('is one JSON object with --json', async () => {
    const cli = bench({ answer: () => accepted() });
    assert.equal(await cli.run('pause', 'tokyo:cities', '--json'), 0);
    assert.deepEqual(cli.json(), { ok: true, result: accepted() });
    assert.equal(cli.err(), '');
  });

  it('is the failure, when the supervisor refuses', async () => {
    for (const json of [false, true]) {
      const cli = bench({
        answer: () => Promise.reject(failed('no_supervisor', { op: 'pause', reason: 'no responders' })),
      });
      assert.equal(await cli.run('pause', 'tokyo:cities', ...(json ? ['--json'] : [])), 69);
      if (json)
        assert.deepEqual(cli.json(), {
          ok: false,
          failure: failed('no_supervisor', { op: 'pause', reason: 'no responders' }).failure,
        });
      else
        assert.equal(
          cli.err(),
          'slipstream: no_supervisor: pause: no responders\nnext: No supervisor answers on NATS. Start one: slipstream start --config slipstream.yml\n',
        );
    }
  });

  it('cannot steer the terminal', async () => {
    const cli = bench({
      answer: () => Promise.reject(failed('forbidden', { op: 'x', reason: '\u001b[2Jgone\u0007' })),
    });
    assert.equal(await cli.run('list'), 77);
    assert.match(cli.err(), /^slipstream: forbidden: x: gone\nnext: /);
  });
});

describe('exit codes', () => {
  it('are distinct, and every failure has one that is no success', () => {
    const codes = Object.values(EXIT).map(({ code }) => code);
    assert.equal(new Set(codes).size, codes.length);
    for (const [code, { kind }] of Object.entries(FAILURES))
      assert.ok(EXIT[exitOf({ code: code as FailureCode, kind })].code >= 64, code);
  });

  it('are those of sysexits.h for the failures people script for', () => {
    const expected: Partial<Record<FailureCode, number>> = {
      invalid_command: 64,
      mapping_conflict: 65,
      already_followed: 65,
      no_supervisor: 69,
      cluster_unreachable: 69,
      bug: 70,
      command_timeout: 75,
      journal_conflict: 75,
      unauthorized: 77,
      invalid_config: 78,
    };
    for (const [code, exit] of Object.entries(expected))
      assert.equal(EXIT[exitOf(failure(code as FailureCode))].code, exit, code);
  });
});

describe('list', () => {
  it('shows one line for each index, sorted', async () => {
    const other = { ...index([pair()]), follower: { cluster: 'tokyo', index: 'a' }, aligned: false, shards: 2 };
    const cli = bench({ answer: () => [index([pair()], { aligned: null }), other] });
    assert.equal(await cli.run('list'), 0);
    assert.deepEqual(cli.out().split('\n'), [
      'FOLLOWER      LEADER        STATE     SHARDS  ALIGNED',
      'tokyo:a       paris:cities  prepared       2  no',
      'tokyo:cities  paris:cities  prepared       1  -',
      '',
    ]);
  });

  it('says so when nothing is followed', async () => {
    const cli = bench();
    assert.equal(await cli.run('list'), 0);
    assert.match(cli.out(), /^Nothing is followed\./);
  });
});
