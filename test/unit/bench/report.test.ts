import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupResult } from '../../../bench/first-copy.ts';
import type { Group, Variant } from '../../../bench/options.ts';
import { reportJson, reportText } from '../../../bench/report.ts';
import { type Figures, targetsOf } from '../../../bench/targets.ts';
import type { LiveResult } from '../../../bench/live.ts';

function group(name: Group, variant: Variant, seconds: number, peakMib?: number): GroupResult {
  const cpuSeconds = { leader: 12, follower: 50, nats: 0.5, supervisor: peakMib === undefined ? 0 : 8, client: 1 };
  const runs = [{ variant, round: 1, seconds, cpuSeconds, ...(peakMib !== undefined && { peakMib }) }];
  return { group: name, variant, runs, medianSeconds: seconds, others: [] };
}

function sampled(p50Ms: number, p99Ms: number) {
  return { samples: 600, p50Ms, p90Ms: p99Ms, p99Ms, maxMs: p99Ms };
}

const LIVE: LiveResult = {
  warmUp: { seconds: 20, writesReadable: sampled(400, 2100) },
  operations: 120_000,
  operationsPerSecond: 1_999.6,
  acknowledgedMs: sampled(6, 20),
  writesReadable: sampled(300, 900),
  deletesGone: sampled(1_500, 4_000),
  writesSearchable: sampled(900, 1_800),
  deletesUnsearchable: sampled(2_000, 5_000),
  settledSeconds: 1.2,
  deleteScans: 5,
  cost: { seconds: 60, cpuSeconds: { leader: 20, follower: 18, nats: 1, supervisor: 6, client: 3 } },
};

const FIGURES: Figures = {
  documents: 1_000_000,
  rounds: 5,
  groups: [
    group('slipstream', 'slipstream', 40, 150),
    group('reindex', 'reindex', 64),
    group('reindex-ranges', 'reindex-ranges-2', 32),
    group('floor', 'floor-8', 30),
  ],
  noise: { noisy: false, spread: 0.1 },
  live: LIVE,
  price: { without: [10, 12, 11], following: [9, 9.9, 8], ratio: 9 / 11, caughtUpSeconds: 2 },
};

function met(figures: Figures): Readonly<Record<string, boolean>> {
  return Object.fromEntries(targetsOf(figures).map((target) => [target.name, target.met]));
}

test('each target is judged by its own figure', () => {
  assert.deepEqual(met(FIGURES), {
    'speed against plain _reindex': true,
    'speed against the fastest _reindex': false,
    'speed against the floor': true,
    'supervisor CPU per million': true,
    'leader CPU per million': true,
    'peak memory of the supervisor': true,
    'live, readable, p50': true,
    'live, readable, p99': true,
    'live, deletes gone, p50': false,
    'live, deletes gone, p99': false,
    "leader's indexing rate, followed against alone": true,
  });
});

test('a figure that lies on its target meets it, beyond it does not', () => {
  const at = (seconds: number): Figures => ({
    ...FIGURES,
    groups: [group('slipstream', 'slipstream', 40), group('reindex', 'reindex', seconds)],
  });
  assert.equal(met(at(60))['speed against plain _reindex'], true);
  assert.equal(met(at(59.9))['speed against plain _reindex'], false);
});

test('what was not measured has no target', () => {
  const { live: _live, price: _price, ...copies } = FIGURES;
  const names = Object.keys(met({ ...copies, groups: [group('floor', 'floor-4', 30)] }));
  assert.deepEqual(names, []);
});

test('200 MB are 10^6 bytes each', () => {
  const peak = (mib: number): boolean | undefined =>
    met({ ...FIGURES, groups: [group('slipstream', 'slipstream', 40, mib)] })['peak memory of the supervisor'];
  assert.equal(peak(190), true);
  assert.equal(peak(195), false);
});

test('the text tells each figure beside its target, and what stands for a group', () => {
  const text = reportText(FIGURES);
  for (const part of [
    /1,000,000 documents, medians of 5/,
    /_reindex from remote, fastest \(reindex-ranges-2\)\s+32\.0\s+31,250\s+0\.80/,
    /speed against plain _reindex\s+1\.60 x\s+at least 1\.5 x\s+met/,
    /speed against the fastest _reindex\s+0\.80 x\s+at least 0\.85 x\s+NOT MET/,
    /a delete is not found by GET\s+p50 1\.50 s/,
    /floor varied by 10 %/,
  ])
    assert.match(text, part);
  assert.doesNotMatch(text, /NOISY/);
});

test('a noisy run says so loudly, in the text and in the object', () => {
  const noisy: Figures = { ...FIGURES, noise: { noisy: true, spread: 0.31 } };
  assert.match(reportText(noisy), /!!! NOISY: the floor varied by 31 %/);
  assert.deepEqual(pick(reportJson(noisy), 'noisy', 'floorSpread'), { noisy: true, floorSpread: 0.31 });
});

test('a run that cannot tell whether it was noisy says that', () => {
  const unknown: Figures = { ...FIGURES, noise: { noisy: null, spread: null } };
  assert.match(reportText(unknown), /not known/);
  assert.deepEqual(pick(reportJson(unknown), 'noisy'), { noisy: null });
});

test('the object holds medians and ratios by name, and null for what was not measured', () => {
  const json = reportJson({ ...FIGURES, groups: FIGURES.groups.slice(0, 2) });
  assert.deepEqual(pick(json, 'ratios'), {
    ratios: { reindex: 1.6, reindexFastest: null, elasticdump: null, floor: null, leaderIndexing: 0.818 },
  });
  assert.equal(JSON.stringify(json).includes('\n'), false);
  const { medians } = pick(json, 'medians') as { medians: Record<string, { seconds: number }> };
  assert.deepEqual(
    Object.entries(medians).map(([name, { seconds }]) => [name, seconds]),
    [
      ['slipstream', 40],
      ['reindex', 64],
    ],
  );
});

function pick(from: object, ...names: readonly string[]): object {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));
}
