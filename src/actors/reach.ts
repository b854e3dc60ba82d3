import { failed, failureOf, type Failure } from '../domain/failure.ts';
import { EVENT_VERSION, type IndexSnapshot } from '../domain/journal.ts';
import { shownIndex } from '../domain/names.ts';
import { slotOf } from '../domain/slots.ts';
import type { LiveSession } from '../ports/ownership.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { RefusedIndex } from './journal-fold.ts';
import type { JournalView } from './journal-view.ts';

interface Own {
  readonly ports: Pick<SupervisorPorts, 'cluster' | 'ownership'>;
  readonly view: JournalView;
}

type Links = Pick<IndexSnapshot, 'leader' | 'follower'>;

/** Tells slots with an index that this supervisor cannot run, as it reads or reaches too little, while another one that lives can. */
export function servedElsewhere({ ports, view }: Own): (slot: number) => boolean {
  const { ownership } = ports;
  const others = ownership.live().filter(({ session }) => session !== ownership.session);
  const isNewer = ({ failure }: RefusedIndex): boolean => failure.code === 'journal_from_newer_version';
  const readElsewhere = others.some(({ announced }) => announced.readsEventVersion > EVENT_VERSION);
  const unread = readElsewhere ? [...view.refused.values()].filter(isNewer) : [];
  const slots = new Set(unread.map(({ follower }) => slotOf(follower)));
  const reachedElsewhere = (index: Links): boolean =>
    !reaches(ports, index) && others.some((other) => isFor(other, index));
  return (slot) => slots.has(slot) || view.followedIn(slot).some(reachedElsewhere);
}

export function reaches(ports: Pick<SupervisorPorts, 'cluster'>, { leader, follower }: Links): boolean {
  try {
    ports.cluster(leader.cluster);
    ports.cluster(follower.cluster);
    return true;
  } catch (thrown) {
    if (failureOf(thrown, 'find cluster').code !== 'unknown_cluster') throw thrown;
    return false;
  }
}

/** A live supervisor that says that it reaches both clusters. */
export function isFor({ announced }: LiveSession, { leader, follower }: Links): boolean {
  return announced.clusters.includes(leader.cluster) && announced.clusters.includes(follower.cluster);
}

/** Why nobody can run it; undefined where somebody could. */
export function unreached(live: readonly LiveSession[], index: Links): Failure | undefined {
  if (live.some((session) => isFor(session, index))) return undefined;
  const { leader, follower } = index;
  return failed('unknown_cluster', {
    op: 'take up',
    reason: `no running supervisor is configured for both ${leader.cluster} and ${follower.cluster}, which ${shownIndex(follower)} needs`,
    hint: 'Start a supervisor whose configuration names both clusters.',
  }).failure;
}
