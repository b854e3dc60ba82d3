/** A document that a comparison found to differ. */
export interface RepairKey {
  readonly id: string;
  readonly routing?: string | undefined;
}

/**
 * What a pair did about one document.
 *
 * - sent      read from the leader again and written
 * - deleted   the leader has it no more; deleted on the follower
 * - in step   nothing to do any more
 * - newer     the leader changed it after what is copied: it comes, or goes, by itself
 * - refused   the follower refuses it for what it is: it is in quarantine
 * - elsewhere not a document of this leader shard
 */
export const REPAIRS = ['sent', 'deleted', 'in step', 'newer', 'refused', 'elsewhere'] as const;
export type RepairOutcome = (typeof REPAIRS)[number];
