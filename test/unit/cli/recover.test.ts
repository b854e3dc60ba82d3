import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RecoverRequest, RecoveryReport } from '../../../src/app/program.ts';
import { failed } from '../../../src/domain/failure.ts';
import { bench, type Bench } from './cli-bench.ts';

const follower = { cluster: 'tokyo', index: 'cities' };
const leader = { cluster: 'paris', index: 'cities' };
const report = {
  dryRun: false,
  clusters: [],
  indices: [
    {
      follower,
      leader,
      journalId: 'j1',
      outcome: 'rebuilt',
      pairs: [
        { shard: 0, state: 'paused', checkpoint: 7 },
        { shard: 1, state: 'bootstrapping', copiedAgain: 'it has no saved position' },
      ],
    },
    { follower: { ...follower, index: 'other' }, leader, journalId: 'j2', outcome: 'other', pairs: [] },
  ],
} as const satisfies RecoveryReport;

function answering(answer: RecoveryReport): { cli: Bench; asked: RecoverRequest[] } {
  const asked: RecoverRequest[] = [];
  const recover = async (_config: unknown, request: RecoverRequest): Promise<RecoveryReport> => {
    asked.push(request);
    return answer;
  };
  return { cli: bench({ deps: { recover } }), asked };
}

describe('slipstream recover', () => {
  it('tells what became of every follower, and what to do about those of another journal', async () => {
    const { cli, asked } = answering(report);
    assert.equal(await cli.run('recover', '--journal', 'j1'), 0);
    assert.deepEqual(
      asked.map(({ dryRun, lostJournalId }) => [dryRun, lostJournalId]),
      [[false, 'j1']],
    );
    assert.deepEqual(cli.out().split('\n'), [
      'tokyo:cities from paris:cities  rebuilt',
      '  shard 0  paused, goes on behind 7',
      '  shard 1  bootstrapping, copied again, in place, since it has no saved position',
      'tokyo:other from paris:cities  belongs to another journal, j2; if that is lost: slipstream recover --journal j2',
      '',
    ]);
  });

  it('says of a dry run what would be done', async () => {
    const { cli, asked } = answering({ ...report, dryRun: true });
    assert.equal(await cli.run('recover', '--dry-run'), 0);
    assert.equal(asked[0]?.dryRun, true);
    assert.match(cli.out(), /tokyo:cities from paris:cities {2}would be rebuilt/);
  });

  it('fails for what was refused and for clusters that do not answer, and gives all of it as JSON', async () => {
    const failure = failed('promoted', { op: 'recover', reason: 'index cities was promoted' }).failure;
    const refused = answering({ ...report, indices: [{ follower, outcome: 'refused', failure, pairs: [] }] });
    assert.equal(await refused.cli.run('recover'), 65);
    assert.match(refused.cli.out(), /left as it is: promoted: recover: index cities was promoted/);
    const away = failed('cluster_unreachable', { op: 'find marks', reason: 'refused' }).failure;
    const unreached = answering({ ...report, clusters: [{ name: 'tokyo', failure: away }] });
    assert.equal(await unreached.cli.run('recover', '--json'), 69);
    assert.deepEqual(JSON.parse(unreached.cli.out()).result.clusters, [{ name: 'tokyo', failure: away }]);
  });
});
