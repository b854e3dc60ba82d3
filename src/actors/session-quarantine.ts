import { failureOf } from '../domain/failure.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import { pairKey, type PairRef } from '../domain/names.ts';
import type { Position } from '../domain/position.ts';
import { PairQuarantine } from '../replication/quarantine/pair-quarantine.ts';
import type { SupervisorPorts } from './cluster-access.ts';
import type { FollowerIndex, PreparedIndex } from './follower-index.ts';
import type { PairJournal } from './telling.ts';

export interface SessionQuarantineOptions extends PairJournal {
  readonly ports: SupervisorPorts;
  readonly index: FollowerIndex;
  readonly pair: PairRef;
  readonly parameters: FollowParameters;
  /** Something that a command may wait for has come to its end. */
  readonly changed: () => void;
}

/** Documents that come and go all the time are not told of all the time. */
const TOLD_EVERY_MS = 10_000;

/** The quarantine of one pair through the lives of its replicators, and what the journal is told of it. */
export class SessionQuarantine {
  readonly #options: SessionQuarantineOptions;
  #current: PairQuarantine | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #retrying = false;
  /** A command wants to know when everything was tried. */
  #asked = false;

  constructor(options: SessionQuarantineOptions) {
    this.#options = options;
  }

  /** That of the last replicator. */
  get current(): PairQuarantine | undefined {
    return this.#current;
  }

  /** For a new replicator that goes on from this position, or from the beginning. */
  async open(
    opened: {
      readonly key: string;
      readonly epoch: number;
      readonly prepared: PreparedIndex;
      readonly position: Position | undefined;
    },
    signal: AbortSignal,
  ): Promise<PairQuarantine> {
    const { ports, index, pair, parameters } = this.#options;
    const { key, epoch, position, prepared } = opened;
    const { followerSide, snapshot } = index;
    const quarantine = new PairQuarantine({
      store: followerSide.quarantine,
      follower: followerSide.follower,
      clock: ports.clock,
      narrator: ports.narrator,
      pair: key,
      followerIndex: pair.follower.index,
      shard: pair.shard,
      scheme: { epoch, leaderShards: snapshot.shards, layout: prepared.layout },
      aligned: prepared.aligned,
      parameters,
    });
    if (position === undefined) await quarantine.clear(signal);
    else await quarantine.takeUp(position.passedOver ?? [], signal);
    this.#current = quarantine;
    return quarantine;
  }

  askRetry(): void {
    this.#asked = true;
    this.#current?.askRetry();
    this.tell();
  }

  /** Called between steps. The journal is not waited for: it may be away. */
  tell(): void {
    const { ports, recorded, record, changed } = this.#options;
    const { size = 0, retrying = false } = this.#current ?? {};
    const tried = this.#retrying && !retrying;
    if (tried) changed();
    this.#retrying = retrying;
    const nowMs = ports.clock.monotonic();
    // Told even if none has left: other supervisors see nothing else of it.
    const answers = tried && this.#asked && size > 0;
    if (!answers && (size === (recorded()?.quarantined ?? 0) || nowMs < this.#toldAtMs + TOLD_EVERY_MS)) return;
    if (answers) this.#asked = false;
    this.#toldAtMs = nowMs;
    const told = { event: { type: 'QUARANTINED' }, fact: { type: 'QUARANTINED', documents: size } } as const;
    record(told).catch((thrown: unknown) => {
      // Told again when it is another number, and with every other event.
      const failure = failureOf(thrown, 'append');
      if (failure.code !== 'bug')
        ports.narrator.log('warn', 'the quarantine was not recorded', { pair: pairKey(this.#options.pair), failure });
    });
  }
}
