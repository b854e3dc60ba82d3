import { failureOf } from '../domain/failure.ts';
import { indexKey } from '../domain/names.ts';
import type { IndexDescription } from '../ports/index-admin.ts';
import type { Observation } from '../replication/cluster-watcher.ts';
import type { FollowerLink } from '../replication/index/follower-link.ts';
import { syncMetadata } from '../replication/index/sync.ts';
import type { SupervisorPorts } from './cluster-access.ts';

export interface MetadataInStepOptions {
  readonly ports: Pick<SupervisorPorts, 'clock' | 'narrator'>;
  readonly link: FollowerLink;
  readonly signal: AbortSignal;
  /** Calls that change the follower do not overlap. */
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
}

const IDLE_RETRY_MS = 5_000;

/** Mapping, settings and aliases of one follower index, as those of its leader: by the versions that the leader's cluster state tells. */
export class MetadataInStep {
  readonly #options: MetadataInStepOptions;
  #synced: string | undefined;
  /** Serves the first sync, which comes soon after. */
  #leader: IndexDescription | undefined;
  #idleAtMs = 0;

  constructor(options: MetadataInStepOptions) {
    this.#options = options;
  }

  /** The leader was described for another reason: if nothing has changed until the first sync, it need not be asked again. */
  known(leader: IndexDescription | undefined): void {
    this.#leader = leader?.uuid === this.#options.link.leaderUuid ? leader : undefined;
  }

  /** Brings the follower in step if the observation shows other versions than were synced last. */
  async sync({ versions }: Observation): Promise<void> {
    if (versions === undefined) return;
    const { uuid, mappingVersion: mapping, settingsVersion: settings, aliasesVersion: aliases } = versions;
    const seen = versionsKey(uuid, { mapping, settings, aliases });
    if (seen === this.#synced) return;
    const { ports, link, signal, inTurn } = this.#options;
    await inTurn(async () => {
      if (seen === this.#synced) return;
      const leader = this.#leader;
      this.#leader = undefined;
      const known = leader !== undefined && versionsKey(leader.uuid, leader.versions) === seen ? leader : undefined;
      const span = ports.narrator.span('metadata-sync', indexKey(link.follower), undefined);
      try {
        const done = await syncMetadata(link, signal, known);
        span.set({
          'slipstream.mapping': done.mapping,
          'slipstream.settings': done.settings.length,
          'slipstream.aliases': done.aliases.length,
        });
        span.end();
      } catch (thrown) {
        span.end(failureOf(thrown, 'sync metadata'));
        throw thrown;
      }
      this.#synced = seen;
    });
  }

  /** Aliases and settings change without a document being written: pairs that have nothing to do would not notice. */
  followIdle(observation: Observation): void {
    const { ports, link, signal } = this.#options;
    if (this.#synced === undefined || ports.clock.monotonic() < this.#idleAtMs) return;
    this.sync(observation).catch((thrown: unknown) => {
      this.#idleAtMs = ports.clock.monotonic() + IDLE_RETRY_MS;
      if (signal.aborted) return;
      ports.narrator.log('warn', 'metadata is not in step', {
        index: indexKey(link.follower),
        failure: failureOf(thrown, 'sync metadata'),
      });
    });
  }
}

function versionsKey(uuid: string, { mapping, settings, aliases }: IndexDescription['versions']): string {
  return `${uuid}/${mapping}/${settings}/${aliases}`;
}
