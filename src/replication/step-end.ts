/** The end of a step on a long way. */
import type { Clock } from '../ports/clock.ts';
import type { FollowerAudit } from './follower-audit.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';

/** Ranges wait for each other where a step ends: for seconds where a bulk makes a segment, with one core idle. So that is seldom. */
const STEP_MS = 60_000;
const BRIEF_STEP_MS = 15_000;

interface StepEnd {
  readonly audit: Pick<FollowerAudit, 'rolledBack' | 'restarted'>;
  readonly clock: Clock;
  /** Something else waits for its next turn, or the pair has to show that it works again. */
  readonly brief: boolean;
}

/** Whether a step on a long way, which begins now, makes room for something else. `pages`: how many it has written; it is not for nothing, whatever waits. */
export function stepEnd(
  { quarantine, repairs, draining }: Pick<ReplicatorSetup, 'quarantine' | 'repairs' | 'draining'>,
  { audit, clock, brief }: StepEnd,
): (pages: number) => boolean {
  const { retrying } = quarantine;
  const deadlineMs = clock.monotonic() + (brief || retrying ? BRIEF_STEP_MS : STEP_MS);
  const wanted = (): boolean =>
    repairs.pending || (quarantine.retrying && !retrying) || audit.rolledBack !== undefined || audit.restarted;
  return (pages) => draining() || clock.monotonic() >= deadlineMs || (pages > 0 && wanted());
}

/**
 * At the end of a first copy the follower makes its last large segments while the last pages come in, with a core that would be idle else; the
 * refresh for the comparison afterwards has little left to do. That it fails is told by that other one. Of
 * several shards the others keep the cores busy.
 */
export function earlyRefresh(
  { followerWatcher }: Pick<ReplicatorPorts, 'followerWatcher'>,
  { followerIndex }: Pick<ReplicatorSetup, 'followerIndex'>,
  signal: AbortSignal,
): { readonly begin: () => void; readonly ended: () => Promise<void> } {
  let running: Promise<void> | undefined;
  const nothing = (): void => undefined;
  return {
    begin: () => {
      running = followerWatcher.observe(followerIndex, { refresh: true }, signal).then(nothing, nothing);
    },
    ended: async () => running,
  };
}
