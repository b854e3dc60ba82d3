import { REPAIRS, type RepairOutcome } from '../domain/repair.ts';
import type { DifferingFinding, Finding, VerifyReport } from '../replication/verify/report.ts';
import { integer, oneLine } from './text.ts';

const KINDS = ['missing', 'extra', 'differing', 'foreign'] as const satisfies readonly (keyof VerifyReport)[];

/** A document that is to be put right. */
export interface Planned {
  readonly id: string;
  readonly routing: string | undefined;
  readonly shard: number | undefined;
  readonly found: (typeof KINDS)[number];
  readonly by: DifferingFinding['cause'] | undefined;
  readonly leaderSeqNo: number | undefined;
  readonly followerVersion: number | undefined;
  readonly plan: 'send' | 'delete';
}

/** Each document once. */
export function plannedOf(report: VerifyReport): readonly Planned[] {
  const planned = new Map<string, Planned>();
  for (const found of KINDS)
    for (const finding of report[found].samples) {
      const key = JSON.stringify([finding.id, finding.routing]);
      if (!planned.has(key)) planned.set(key, plannedAs(found, finding));
    }
  return [...planned.values()];
}

function plannedAs(found: Planned['found'], finding: Finding | DifferingFinding): Planned {
  const by = 'cause' in finding ? finding.cause : undefined;
  return { ...finding, found, by, plan: finding.leaderSeqNo === undefined ? 'delete' : 'send' };
}

const PLANS = { send: 'send it again', delete: 'delete it' } as const;
const DONE: Readonly<Record<RepairOutcome, string>> = {
  sent: 'sent again',
  deleted: 'deleted',
  'in step': 'equal by now',
  newer: 'left: the leader changed it, and that comes by itself',
  refused: 'refused by the follower: in quarantine',
  elsewhere: 'left: no pair knows it',
};

/** `done` absent: what would be done. */
export function repairLine(
  { id, routing, shard, found, by, leaderSeqNo, followerVersion, plan }: Planned,
  done?: RepairOutcome | null,
): string {
  const what = done === undefined ? PLANS[plan] : done === null ? 'not done' : DONE[done];
  const parts = [
    `  ${found.padEnd(9)}`,
    `id=${oneLine(id)}`,
    ...(routing === undefined ? [] : [`routing=${oneLine(routing)}`]),
    ...(shard === undefined ? [] : [`shard=${shard}`]),
    ...(by === undefined ? [] : [`by=${by}`]),
    ...(leaderSeqNo === undefined ? [] : [`leader_seq_no=${leaderSeqNo}`]),
    ...(followerVersion === undefined ? [] : [`follower_version=${followerVersion}`]),
    what,
  ];
  return `${parts.join('  ')}\n`;
}

export function summaryOf(outcomes: readonly (RepairOutcome | null)[]): string {
  const counted = [...REPAIRS, null].flatMap((outcome) => {
    const count = outcomes.filter((one) => one === outcome).length;
    return count === 0 ? [] : [`${outcome ?? 'not done'} ${integer(count)}`];
  });
  return `repaired: ${counted.join(', ')}\n`;
}
