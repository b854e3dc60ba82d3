import { EVENT_VERSION } from '../domain/journal.ts';
import type { Ownership } from '../ports/ownership.ts';

/**
 * The version to write events in: the newest that all live supervisors read, so that while they are upgraded one by one each can still
 * take over from every other.
 */
export function writtenVersion(ownership: Pick<Ownership, 'live'>, newest = EVENT_VERSION): number {
  return Math.min(newest, ...ownership.live().map(({ announced }) => announced.readsEventVersion));
}
