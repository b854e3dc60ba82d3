import { failed, failureOf, type Failure } from '../domain/failure.ts';
import { EVENT_VERSION, type IndexSnapshot } from '../domain/journal.ts';
import { indexKey, shownIndex } from '../domain/names.ts';
import type { LiveSession } from '../ports/ownership.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { JournalView } from './journal-view.ts';

interface Own {
  readonly ports: Pick<SupervisorPorts, 'cluster' | 'ownership'>;
  readonly view: JournalView;
}

type Links = Pick<IndexSnapshot, 'leader' | 'follower'>;

/** This supervisor cannot keep the index in step, and another one that lives can. */
export function isServedBetterElsewhere(index: IndexSnapshot, { ports, view }: Own): boolean {
  const { ownership } = ports;
  const others = ownership.live().filter(({ session }) => session !== ownership.session);
  if (view.refused.get(indexKey(index.follower))?.failure.code === 'journal_from_newer_version')
    return others.some(({ announced }) => announced.readsEventVersion > EVENT_VERSION);
  return !reaches(ports, index) && others.some((other) => isFor(other, index));
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
