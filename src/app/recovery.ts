import { foldJournal, type FoldedJournal } from '../actors/journal-fold.ts';
import { recoverCluster, type RecoveredIndex, type RecoveryPorts } from '../actors/recovery.ts';
import type { Config } from '../config/config.ts';
import { Failed, failureOf, type Failure } from '../domain/failure.ts';
import { indexKey, type FollowerIndexRef } from '../domain/names.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import { openEventLog, openJournalReader } from '../infra/nats/event-log.ts';
import type { OpenCluster } from '../infra/search/open-cluster.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import { configuredCluster, openConfigured } from './clusters.ts';
import { connectConfigured, journalNames } from './nats.ts';
import { requireNoSupervisor } from './no-supervisor.ts';
import type { RecoverRequest, RecoveryReport } from './program.ts';

/** Rebuilds the journal from the followers of all configured clusters; needs them, and that no supervisor runs. */
export async function recover(
  config: Config,
  { dryRun, by, lostJournalId }: RecoverRequest,
  signal: AbortSignal,
): Promise<RecoveryReport> {
  const nc = await connectConfigured(config.nats, 'slipstream recover');
  const open = new Map<string, OpenCluster>();
  try {
    await requireNoSupervisor(config.nats, nc, 'recover');
    const names = journalNames(config.nats);
    const writable = dryRun ? undefined : await openEventLog(nc, { ...names, newId: () => systemRandom.id() });
    const log = writable ?? (await openJournalReader(nc, names).catch(noJournal));
    const cluster = (name: string): OpenCluster => {
      const known = open.get(name) ?? openConfigured(configuredCluster(config, name));
      open.set(name, known);
      return known;
    };
    const ports: RecoveryPorts = {
      clock: systemClock,
      random: systemRandom,
      cluster,
      journalId: log?.journalId,
      lostJournalId,
      append: writable?.append ?? (() => Promise.reject(new Error('a dry run appends nothing'))),
      folded: log === undefined ? NOTHING : await foldJournal({ log, narrator: { log: () => undefined } }, signal),
      term: log === undefined ? 1 : (await log.lastSeq(signal)) + 1,
      by,
      parametersOf: (follower) => configuredParameters(config, follower),
    };
    const indices: RecoveredIndex[] = [];
    const unreached: { name: string; failure: Failure }[] = [];
    for (const name of config.clusters.keys()) {
      try {
        indices.push(...(await recoverCluster(ports, name, { dryRun }, signal)));
      } catch (thrown) {
        signal.throwIfAborted();
        unreached.push({ name, failure: failureOf(thrown, 'recover') });
      }
    }
    return { dryRun, indices, clusters: unreached };
  } finally {
    for (const cluster of open.values()) await cluster.close();
    await nc.close();
  }
}

const NOTHING: FoldedJournal = { indices: new Map(), pairs: new Map(), lastSeqs: new Map(), unreadable: new Map() };

function noJournal(thrown: unknown): undefined {
  if (!(thrown instanceof Failed) || thrown.failure.code !== 'no_supervisor') throw thrown;
}

function configuredParameters(config: Config, follower: FollowerIndexRef): FollowParameters {
  const entry = config.follow.find((one) => indexKey(one.follower) === indexKey(follower));
  return { ...config.defaults, ...entry?.parameters };
}
