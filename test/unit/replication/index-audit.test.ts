import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Observation } from '../../../src/replication/cluster-watcher.ts';
import { IndexAudit } from '../../../src/replication/index-audit.ts';
import { PairProgress } from '../../../src/replication/pair-progress.ts';

let tick = 0;

function seen(maxSeqNos: readonly number[], history = 'h'): Observation {
  tick += 1;
  const shards = new Map(
    maxSeqNos.map((maxSeqNo, shard) => [
      shard,
      { maxSeqNo, globalCheckpoint: maxSeqNo, historyUuid: `${history}${shard}`, nodeId: 'n' },
    ]),
  );
  const versions = {
    uuid: 'u',
    state: 'open' as const,
    primaryTerms: maxSeqNos.map(() => 1),
    mappingVersion: 1,
    settingsVersion: 1,
    aliasesVersion: 1,
  };
  return { tick, startedAtMs: tick * 10, versions, shards };
}

function wrote(progress: PairProgress, sequenced: number): void {
  progress.beginWrite();
  progress.answered({ created: 0, deleted: 0, sequenced, absent: 0, bytes: 0 });
  progress.endWrite(tick * 10);
}

describe('the ledger of an index whose shards do not align', () => {
  const begin = (): { audit: IndexAudit; pairs: { progress: PairProgress }[]; first: PairProgress } => {
    const first = new PairProgress();
    const pairs = [{ progress: first }, { progress: new PairProgress() }];
    const audit = new IndexAudit();
    assert.equal(audit.observed(seen([4, 4]), pairs), undefined);
    return { audit, pairs, first };
  };

  it('balances when the sum over all shards grows by what the pairs wrote', () => {
    const { audit, pairs, first } = begin();
    wrote(first, 3);
    assert.equal(audit.observed(seen([6, 5]), pairs), undefined);
  });

  it('proves a foreign writer by a surplus, once', () => {
    const { audit, pairs, first } = begin();
    wrote(first, 3);
    assert.equal(audit.observed(seen([6, 6]), pairs), 'foreign_write');
    assert.equal(audit.observed(seen([6, 6]), pairs), undefined);
  });

  it('proves a rollback by a deficit and by another history', () => {
    const lost = begin();
    wrote(lost.first, 3);
    assert.equal(lost.audit.observed(seen([5, 5]), lost.pairs), 'rolled_back');
    const other = begin();
    assert.equal(other.audit.observed(seen([4, 4], 'i'), other.pairs), 'rolled_back');
  });

  it('says nothing while a pair writes, after a lost answer, and when a shard is unknown', () => {
    const { audit, pairs, first } = begin();
    first.beginWrite();
    assert.equal(audit.observed(seen([9, 9]), pairs), undefined);
    first.endWrite(tick * 10);
    first.unsure(tick * 10);
    assert.equal(audit.observed(seen([9, 9]), pairs), undefined);
    const part = seen([12, 12]);
    assert.equal(audit.observed({ ...part, shards: new Map([...part.shards].slice(0, 1)) }, pairs), undefined);
  });

  it('begins anew when a pair comes or goes', () => {
    const { audit, pairs } = begin();
    assert.equal(audit.observed(seen([9, 9]), pairs.slice(0, 1)), undefined);
    assert.equal(audit.observed(seen([9, 9]), pairs.slice(0, 1)), undefined);
  });
});
