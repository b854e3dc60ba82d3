import { failed } from '../domain/failure.ts';
import type { FollowerLink } from '../replication/index/follower-link.ts';
import { forgetDeletes, rememberDeletes } from '../replication/index/delete-memory.ts';
import type { ShardReplicator } from '../replication/shard-replicator.ts';
import type { SupervisorPorts } from './cluster-access.ts';

/**
 * How long one follower index remembers deletes. Where it is to forget them at once, all its pairs must be free of writes whose effect is unknown:
 * the memory is what refuses a late one.
 */
export class DeleteMemory {
  readonly #clock: SupervisorPorts['clock'];
  readonly #link: FollowerLink;
  /** After this long a request of ours, or of an owner before, has run or will never run. */
  readonly writeLifeMs: number;
  /** A write of unknown effect may have begun until then: one of a process before this one, or of a pair that does not run any more. */
  #unsureAtMs: number;
  #forgetting = false;
  #busy = false;
  #settingsVersion: number | undefined;
  /** Somebody ended in the middle of it: a document that was to be overwritten may be missing. */
  interrupted = false;

  constructor(options: { clock: SupervisorPorts['clock']; link: FollowerLink; writeLifeMs: number }) {
    this.#clock = options.clock;
    this.#link = options.link;
    this.writeLifeMs = options.writeLifeMs;
    this.#unsureAtMs = options.clock.monotonic();
  }

  /** A pair does not run any more. */
  left({ progress }: ShardReplicator): void {
    const now = progress.writing ? this.#clock.monotonic() : (progress.unsureAtMs ?? 0);
    this.#unsureAtMs = Math.max(this.#unsureAtMs, now);
  }

  /** Of the follower index. A request to forget may arrive late: of an owner before, or one whose answer was lost. */
  settingsSeen(version: number): void {
    if (version !== this.#settingsVersion) this.#forgetting = true;
    this.#settingsVersion = version;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** A try to put the value back failed, or somebody changed a setting. */
  get toBeRestored(): boolean {
    return this.#forgetting && !this.#busy;
  }

  /** Throws `follower_unsteady` while a write of unknown effect may be under way. Works of one index must not overlap. */
  async without<T>(pairs: readonly ShardReplicator[], work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    this.#requireSure(pairs);
    this.#busy = true;
    this.#forgetting = true;
    try {
      await forgetDeletes(this.#link, signal);
      return await work();
    } finally {
      this.#busy = false;
      // Not by the signal of the work: the pair may be stopped in the middle.
      await this.restore(AbortSignal.any([]));
    }
  }

  /** What was found to be forgetting, although nobody here has it do so. */
  async restoreLeft(signal: AbortSignal): Promise<void> {
    this.interrupted = true;
    await this.restore(signal);
  }

  async restore(signal: AbortSignal): Promise<void> {
    this.#forgetting = false;
    try {
      await rememberDeletes(this.#link, signal);
    } catch (thrown) {
      this.#forgetting = true;
      throw thrown;
    }
  }

  #requireSure(pairs: readonly ShardReplicator[]): void {
    const unsure = pairs.map(({ progress }) => progress.unsureAtMs ?? Number.NEGATIVE_INFINITY);
    const sureInMs = Math.max(this.#unsureAtMs, ...unsure) + this.writeLifeMs - this.#clock.monotonic();
    if (sureInMs <= 0) return;
    throw failed('follower_unsteady', {
      op: 'overwrite',
      cluster: this.#link.follower.cluster,
      reason: `documents that somebody else changed are to be overwritten, and for ${Math.ceil(sureInMs / 1000)} s a write of unknown effect may still be under way`,
      retryAfterMs: sureInMs,
    });
  }
}
