/** With so many seeds everything below has to come. */
export const SEEDS_FOR_EVERYTHING = 5000;

/** Every transition of the machine, and every fact of an index. */
const TRANSITIONS: readonly string[] = [
  'none STARTED bootstrapping',
  'bootstrapping BOOTSTRAPPED following',
  'bootstrapping FAILED retrying',
  'bootstrapping FATAL fatal',
  'bootstrapping HISTORY_GONE bootstrapping',
  'bootstrapping HISTORY_GONE fatal',
  'bootstrapping LEASE_EXPIRED bootstrapping',
  'bootstrapping LEASE_EXPIRED fatal',
  'bootstrapping ROLLED_BACK bootstrapping',
  'bootstrapping EPOCH_RAISED bootstrapping',
  'bootstrapping PAUSE bootstrapping',
  'bootstrapping PAUSED paused',
  'bootstrapping RESUME bootstrapping',
  'bootstrapping QUARANTINED bootstrapping',
  'bootstrapping QUARANTINE_RETRY bootstrapping',
  'bootstrapping MASS_DELETE_USED bootstrapping',
  'following FAILED retrying',
  'following FATAL fatal',
  'following HISTORY_GONE bootstrapping',
  'following HISTORY_GONE fatal',
  'following LEASE_EXPIRED bootstrapping',
  'following LEASE_EXPIRED fatal',
  'following ROLLED_BACK bootstrapping',
  'following PAUSE following',
  'following PAUSED paused',
  'following RESUME following',
  'following RESUME bootstrapping',
  'following QUARANTINED following',
  'following QUARANTINE_RETRY following',
  'following MASS_DELETE_USED following',
  'retrying RECOVERED bootstrapping',
  'retrying RECOVERED following',
  'retrying BOOTSTRAPPED following',
  'retrying FATAL fatal',
  'retrying HISTORY_GONE bootstrapping',
  'retrying HISTORY_GONE fatal',
  'retrying LEASE_EXPIRED bootstrapping',
  'retrying LEASE_EXPIRED fatal',
  'retrying ROLLED_BACK bootstrapping',
  'retrying EPOCH_RAISED retrying',
  'retrying PAUSE retrying',
  'retrying PAUSED paused',
  'retrying RESUME retrying',
  'retrying RESUME bootstrapping',
  'retrying QUARANTINED retrying',
  'retrying QUARANTINE_RETRY retrying',
  'retrying MASS_DELETE_USED retrying',
  'paused RESUME following',
  'paused RESUME bootstrapping',
  'paused QUARANTINE_RETRY paused',
  'fatal PAUSE paused',
  'fatal RESUME following',
  'fatal RESUME bootstrapping',
  'fatal QUARANTINE_RETRY fatal',
  'bootstrapping TAKEN_OVER bootstrapping',
  'following TAKEN_OVER following',
  'retrying TAKEN_OVER retrying',
  'paused TAKEN_OVER paused',
  'fatal TAKEN_OVER fatal',
  'index FOLLOWED',
  'index PREPARED',
  'index UNFOLLOWED',
  'index RELEASED',
];

/** Events before and after whose append a process dies. */
const APPENDED = [
  'FOLLOWED',
  'PREPARED',
  'UNFOLLOWED',
  'RELEASED',
  'STARTED',
  'PAUSE',
  'PAUSED',
  'RESUME',
  'BOOTSTRAPPED',
  'FAILED',
  'RECOVERED',
  'FATAL',
  'HISTORY_GONE',
  'LEASE_EXPIRED',
  'ROLLED_BACK',
  'EPOCH_RAISED',
  'QUARANTINED',
  'QUARANTINE_RETRY',
  'MASS_DELETE_USED',
  'TAKEN_OVER',
].map((type) => `append ${type}`);

const CALLS = [
  ...APPENDED,
  'latest',
  'lastSeq',
  'read',
  'claim',
  'keep',
  'page',
  'a search request',
  'a lease request',
];
const WRITES = ['append', 'claim', 'keep', 'lease request'];
const READS = ['latest', 'lastSeq', 'read', 'page'];

/** What is drawn. */
const FAULTS: readonly string[] = [
  ...CALLS.flatMap((call) => [`crash before ${call}`, `crash after ${call}`]),
  ...WRITES.flatMap((call) => ['lost before', 'lost after', 'late', 'twice', 'slow'].map((how) => `${call} ${how}`)),
  ...READS.flatMap((call) => [`${call} lost`, `${call} slow`]),
  ...['lost', 'answer lost', 'twice', 'slow', 'repeated without an answer', 'repeated after its answer'].map(
    (how) => `command ${how}`,
  ),
  'crash',
  'restart',
  'partition',
  'journal cut off',
  'answers cut off',
  'journal is full for append',
  'suspension',
  'suspension, also of its monotonic clock',
  'clock forward',
  'clock back',
  'purge',
  'purge removes',
  'slot shunned',
  'request of search lost',
  'answer of search lost',
  'cluster away',
  'shard_unavailable',
  'mapping_conflict',
  'history_changed',
  'lease_expired',
  'follower_rolled_back',
];

/** What never came, and so was not tested. */
export function missing(came: {
  readonly faults: ReadonlyMap<string, number>;
  readonly transitions: ReadonlyMap<string, number>;
}): readonly string[] {
  return [
    ...TRANSITIONS.filter((name) => !came.transitions.has(name)),
    ...FAULTS.filter((name) => !came.faults.has(name)),
  ];
}
