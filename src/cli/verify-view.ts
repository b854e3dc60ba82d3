import type { DifferingFinding, Finding, VerifyReport } from '../replication/verify/report.ts';
import type { FollowerIndexRef } from '../domain/names.ts';
import type { VerifyAnswer } from '../app/program.ts';
import { shownTarget } from './targets.ts';
import { integer, oneLine } from './text.ts';

const KINDS = [
  'missing',
  'extra',
  'differing',
  'foreign',
  'duplicates',
  'quarantined',
  'undecided',
] as const satisfies readonly (keyof VerifyReport)[];
const VERDICTS = {
  equal: 'equals',
  different: 'DIFFERS FROM',
  undecided: 'could not be compared wholly with',
} as const;

function findingLine(kind: (typeof KINDS)[number], finding: Finding | DifferingFinding): string {
  const { id, routing, leaderSeqNo, followerVersion } = finding;
  const parts = [
    `  ${kind.padEnd(11)}`,
    `id=${oneLine(id)}`,
    ...(routing === undefined ? [] : [`routing=${oneLine(routing)}`]),
    ...('cause' in finding ? [`by=${finding.cause}`] : []),
    ...(leaderSeqNo === undefined ? [] : [`leader_seq_no=${leaderSeqNo}`]),
    ...(followerVersion === undefined ? [] : [`follower_version=${followerVersion}`]),
  ];
  return parts.join('  ');
}

/** The verdict, the counts, and the first `samples` documents of each kind; undefined: no documents. */
export function verifyText(
  { leader, report }: VerifyAnswer,
  follower: FollowerIndexRef,
  samples: number | undefined,
): string {
  const { outcome, contentHash, compared, checkpointByShard, tookMs, overtaken } = report;
  const counts = KINDS.filter((kind) => report[kind].total > 0).map((kind) => `${kind} ${integer(report[kind].total)}`);
  const found = KINDS.flatMap((kind) =>
    report[kind].samples.slice(0, samples ?? 0).map((finding) => findingLine(kind, finding)),
  );
  const unnamed = samples !== undefined && KINDS.some((kind) => report[kind].samples.length > samples);
  return [
    `${shownTarget({ follower })} ${VERDICTS[outcome]} ${shownTarget({ follower: leader })} (${contentHash ? 'identity and content' : 'identity'}, ${(tookMs / 1000).toFixed(1)} s)`,
    `  ${[`compared ${integer(compared)}`, ...(overtaken > 0 ? [`overtaken ${integer(overtaken)}`] : []), ...counts].join('  ')}`,
    `  at checkpoints ${checkpointByShard.map((checkpoint, shard) => `${shard}: ${checkpoint}`).join(', ')}`,
    ...found,
    ...(unnamed ? ['  --samples N names more of them'] : []),
    '',
  ].join('\n');
}
