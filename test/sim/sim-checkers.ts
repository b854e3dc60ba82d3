import { present } from '../../src/domain/assert.ts';
import { pairKey } from '../../src/domain/names.ts';
import type { PositionRecord } from '../../src/domain/position.ts';
import { identityOf, shardNamedBy, versionOf, type VersionScheme } from '../../src/domain/version.ts';
import type { PairActor } from '../../src/actors/pair-actor.ts';
import type { ShardReplicator } from '../../src/replication/shard-replicator.ts';
import { parseBulk } from '../support/memory-search/memory-follower.ts';
import { shardNumberOf, shardOf } from '../support/memory-search/memory-cluster.ts';
import type { StoredDocument } from '../support/memory-search/memory-shard.ts';
import type { SimLeader } from './sim-leader.ts';
import type { SimWorld } from './sim-world.ts';

interface Deleted {
  readonly id: string;
  readonly followerShard: number;
  readonly leaderShard: number;
  /** The leader's operation that ended the state of it that was deleted. */
  readonly endedBy: number;
  gone: boolean;
}

/** What must hold whatever happens. The first thing that does not ends the simulation. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

export class SimCheckers {
  readonly #world: SimWorld;
  readonly #leader: SimLeader;
  /** Replicators whose follower lost or got something behind their back: their counts are wrong until they notice. */
  readonly #misled = new WeakSet<ShardReplicator>();
  /** By place on the follower: the leader's last operation on the document when its copy there was told to go, and whether it went. */
  readonly #deletedUnder = new Map<string, Deleted>();
  #everMisled = false;
  #foreign = false;
  violation: Violation | undefined;
  /** How often each check was made and had something to look at. */
  readonly made = { counts: 0, settled: 0, positions: 0, writes: 0, quarantined: 0 };

  constructor(world: SimWorld, leader: SimLeader) {
    this.#world = world;
    this.#leader = leader;
    world.positions.onSave = (record) => this.#saved(record);
    world.onCall = (cluster, method, args) => {
      if (cluster === 'replica' && method === 'bulk') this.#arrives((args[0] as { body: Uint8Array }).body);
    };
    leader.onRollBack = () => {
      this.#deletedUnder.clear();
      this.#nothingRolledBackIsCopied();
    };
  }

  /** After something that a replicator can only notice later: a crash of the follower, a write from outside (which also nobody who starts later knows of). */
  mislead(options: { foreign: boolean } = { foreign: false }): void {
    this.#foreign ||= options.foreign;
    this.#everMisled = true;
    this.#deletedUnder.clear();
    for (const { session } of this.#pairs()) if (session.replicator !== undefined) this.#misled.add(session.replicator);
  }

  /** Somebody deleted the index of the quarantine: counts may be right, and what is missing is no surprise of theirs. */
  quarantineLost(): void {
    this.#everMisled = true;
  }

  /** To be called between any two moments. */
  now(): void {
    for (const pair of this.#pairs()) {
      const { replicator } = pair.session;
      if (replicator === undefined || this.#misled.has(replicator) || !this.#world.follower.find('orders-copy'))
        continue;
      const { progress } = replicator;
      if (this.#world.options.zombieMs > this.#world.options.requestTimeoutMs) continue;
      if (progress.followerCount !== undefined && !progress.writing && !this.#foreign && !this.#mayMeet) {
        this.made.counts += 1;
        const actual = this.#followerDocuments(pair).length;
        this.#claim(
          progress.followerCount === actual,
          `pair ${pair.pair.shard} counts ${progress.followerCount}, the follower has ${actual}`,
        );
      }
      const seen = pair.session.lastSeen?.shards.get(pair.pair.shard)?.maxSeqNo ?? Number.POSITIVE_INFINITY;
      // Between two steps: a step that has counted again and not yet looked at the leader has equal counts only by chance.
      const sameHistory = this.#world.leaderIndex.shards[pair.pair.shard]?.historyUuid === replicator.historyUuid;
      // Counts that another pair put out are noticed after a while.
      const idle = this.#world.pendingCalls === 0 && seen <= progress.checkpoint && sameHistory && !this.#mayMeet;
      const balanced = (progress.followerCount ?? -1) + progress.quarantine.withoutCopy === progress.leaderCount;
      if (idle && replicator.settled && balanced) this.#noDeletedDocument(pair, progress.checkpoint);
    }
  }

  #noDeletedDocument(pair: PairActor, checkpoint: number): void {
    this.made.settled += 1;
    for (const { id, routing } of this.#followerDocuments(pair)) {
      const last = this.#leader.lastOperation(this.#leader.placeOf({ id, routing }));
      const living = this.#world.leaderShardOf({ id, routing }).get(id);
      const alive = living !== undefined && (this.#world.aligned || living.routing === routing);
      this.#claim(
        alive || last === undefined || last > checkpoint,
        `${id} was deleted on the leader at ${last}, the pair is settled at ${checkpoint}, and the follower has it`,
      );
    }
  }

  /** A write is about to run on the follower. */
  #arrives(body: Uint8Array): void {
    const index = present(this.#world.followerIndex, 'a follower index');
    for (const write of parseBulk(body)) {
      this.made.writes += 1;
      const shard = shardOf(index, write);
      if (write.source === undefined) {
        const copy = shard.get(write.id);
        if (copy === undefined) continue;
        const of = identityOf(this.#scheme(this.#epochOf(copy)), copy.version);
        if (of.kind === 'foreign') continue;
        // Later states of it may come at any time: the leader may have created it anew while it was looked for.
        const endedBy = this.#leader.operationAfter(this.#leader.placeOf(write), of.seqNo);
        if (endedBy === undefined) continue;
        const { id } = write;
        const [leaderShard, followerShard] = [this.#leader.shardNumberOf(write), shardNumberOf(index, write)];
        this.#deletedUnder.set(`${followerShard}/${id}`, { id, followerShard, leaderShard, endedBy, gone: false });
        continue;
      }
      this.#claim(!this.#leader.rolledBack.has(write.source), `${write.id}: a failover of the leader took this back`);
      const { fields } = JSON.parse(write.source) as { fields: number };
      const mapped = Object.keys((this.#world.followerMapping()['properties'] as object | undefined) ?? {}).length;
      this.#claim(fields <= mapped, `${write.id} needs ${fields} fields, the follower's mapping has ${mapped}`);
    }
  }

  /** After a bulk ran: nothing that was deleted under a newer operation may have come back. */
  resurrections(): void {
    const index = this.#world.followerIndex;
    if (index === undefined) return;
    for (const shard of index.shards) shard.onDelete ??= (before, write) => this.#othersStay(before, write);
    for (const [place, deleted] of this.#deletedUnder) {
      const { id, followerShard, leaderShard } = deleted;
      const copy = index.shards[followerShard]?.get(id);
      if (copy === undefined) deleted.gone = true;
      else if (shardNamedBy(this.#scheme(1), copy.version) !== leaderShard) this.#deletedUnder.delete(place);
      else {
        const identity = identityOf(this.#scheme(this.#epochOf(copy)), copy.version);
        this.#claim(
          !deleted.gone || identity.kind === 'foreign' || identity.seqNo >= deleted.endedBy,
          `${id} was deleted, which the leader did at ${deleted.endedBy}, and came back with an older operation`,
        );
        this.#deletedUnder.delete(place);
      }
    }
  }

  /** A delete of one pair never takes a document of another one. */
  #othersStay({ id, version }: StoredDocument, write: { id: string; routing?: string | undefined }): void {
    const [ours, theirs] = [this.#leader.shardNumberOf(write), shardNamedBy(this.#scheme(1), version)];
    const exempt = this.#world.aligned || version < 2 ** 44;
    this.#claim(
      ours === theirs || exempt,
      `${id}: a delete of leader shard ${ours} takes a document of shard ${theirs}`,
    );
  }

  /** Called with every record just before it is stored. */
  #saved({ pair, position }: PositionRecord): void {
    const shard = Number(pair.split('/').at(-1));
    const leaderShard = present(this.#world.leaderIndex.shards[shard], 'the leader shard');
    const index = this.#world.followerIndex;
    if (index === undefined || position.leader.historyUuid !== leaderShard.historyUuid) return;
    if (index.shards.some((each, at) => each.historyUuid !== position.follower.historyUuids[at])) return;
    this.made.positions += 1;
    const scheme = this.#scheme(position.epoch);
    for (const document of leaderShard.documents()) {
      const vouched =
        document.seqNo <= position.checkpoint ||
        position.ranges.some(({ from, next }) => document.seqNo >= from && document.seqNo < next);
      if (!vouched || this.#leader.met.has(document.id)) continue;
      const followerShard = shardOf(index, document);
      const copy = followerShard.get(document.id);
      const wanted = versionOf(scheme, document.seqNo, shard);
      if (this.#isQuarantined({ pair, position }, document)) continue;
      const there = copy !== undefined && copy.version >= wanted;
      const where = `position ${position.checkpoint} of ${pair} vouches for ${document.id} at ${document.seqNo}`;
      this.#claim(there, `${where}, which is not on the follower`);
      // The same version may have been written again since, and that not be synced yet.
      const durable = there && (followerShard.syncedVersionOf(document.id) ?? -1) >= wanted;
      // Taken after all since the draft: whoever starts from this position reads it again.
      const readAgain = position.passedOver?.includes(document.seqNo) === true;
      this.#claim(durable || readAgain, `${where}, which is not durable`);
    }
  }

  /** Refused, and durably known to be so: in the position itself, and in the index unless somebody deleted it from there. */
  #isQuarantined({ pair, position }: Pick<PositionRecord, 'pair' | 'position'>, document: StoredDocument): boolean {
    if (!this.#world.refusals.everRefused(document)) return false;
    this.made.quarantined += 1;
    const entry = this.#world.quarantine.of(pair).get(document.id)?.document;
    if (entry !== undefined && entry.seqNo >= document.seqNo) return true;
    return this.#world.network.drawn.has('quarantineLost') && position.passedOver?.includes(document.seqNo) === true;
  }

  #nothingRolledBackIsCopied(): void {
    for (const { id, source } of this.#world.followerIndex?.shards.flatMap((shard) => [...shard.documents()]) ?? [])
      this.#claim(!this.#leader.rolledBack.has(source), `${id} was copied, and a failover of the leader took it back`);
  }

  /** Both sides, document by document. */
  identical(): void {
    const leader = this.#documentsOf(this.#world.leaderIndex.shards.map((shard) => [...shard.documents()]));
    const follower = this.#documentsOf(
      (this.#world.followerIndex?.shards ?? []).map((shard) => [...shard.documents()]),
    );
    const older = new Set<StoredDocument>();
    for (const [key, { id, source, routing, seqNo }] of leader) {
      const copy = follower.get(key);
      if (this.#world.refusals.refuses({ source })) {
        const kept = this.#passedOver({ id, routing, seqNo });
        if (kept !== undefined) older.add(kept);
        continue;
      }
      this.#claim(copy !== undefined, `${key} is missing on the follower`);
      this.#claim(copy?.source === source && copy.routing === routing, `${key} differs on the follower`);
    }
    this.#quarantines();
    for (const [key, copy] of follower)
      this.#claim(leader.has(key) || older.has(copy), `${key} is on the follower only`);
  }

  /**
   * A refused document is in quarantine as what it is, in the process and in the index. Gives its older copy, which in a shard of its own may be under
   * another routing.
   */
  #passedOver(key: { id: string; routing: string | undefined; seqNo: number }): StoredDocument | undefined {
    const pair = this.#pairs().find((each) => each.pair.shard === this.#leader.shardNumberOf(key));
    const entry = pair?.session.quarantine?.get(key.id);
    this.#claim(
      entry?.seqNo === key.seqNo,
      `${key.id} at ${key.seqNo} is refused, and the quarantine has ${entry?.seqNo}`,
    );
    const copies = pair === undefined ? [] : this.#followerDocuments(pair);
    const copy = copies.find(({ id, routing }) => id === key.id && (this.#world.aligned || routing === key.routing));
    this.#claim(
      entry?.copyVersion === copy?.version,
      `the quarantine tells of copy ${entry?.copyVersion} of ${key.id}, the follower has ${copy?.version}`,
    );
    return copy;
  }

  /** Nothing is in quarantine that the leader does not have, or that was taken; the index holds the same. */
  #quarantines(): void {
    for (const { pair, session } of this.#pairs()) {
      const documents = session.quarantine?.documents ?? [];
      for (const { id, routing, seqNo } of documents) {
        const document = this.#world.leaderShardOf({ id, routing }).get(id);
        this.#claim(document?.seqNo === seqNo, `${id} at ${seqNo} is in quarantine, the leader has ${document?.seqNo}`);
        this.#claim(this.#world.refusals.refuses(document ?? { source: undefined }), `${id} is in quarantine in vain`);
      }
      if (this.#world.network.drawn.has('quarantineLost')) continue;
      // A late write may have left more in it, which the next start finds out.
      const stored = this.#world.quarantine.of(pairKey(pair));
      for (const { id, seqNo } of documents)
        this.#claim(
          stored.get(id)?.document.seqNo === seqNo,
          `${id} at ${seqNo} is in quarantine and not in its index`,
        );
    }
  }

  /** Once everything is quiet: what the pairs believe of the follower is so. */
  beliefs(): void {
    for (const pair of this.#pairs()) {
      const progress = present(pair.session.replicator, 'a replicator').progress;
      const documents = this.#followerDocuments(pair).length;
      this.#claim(progress.followerCount === documents, `counted ${progress.followerCount}, there are ${documents}`);
      const expected = progress.ledger.expectedMaxSeqNo;
      const maxSeqNo = this.#world.followerIndex?.shards[pair.pair.shard]?.maxSeqNo;
      if (this.#world.aligned && expected !== undefined)
        this.#claim(expected === maxSeqNo, `the ledger expects ${expected}, the follower is at ${maxSeqNo}`);
      if (!this.#everMisled && !this.#mayMeet && this.#world.options.zombieMs <= this.#world.options.requestTimeoutMs)
        this.#claim(progress.counters.scanSurprises === 0, 'a scan found something other than the counts said');
      // A delete that another pair's document stopped is one, and rightly.
      const conflicts = this.#mayMeet ? 0 : progress.counters.conflicts;
      this.#claim(conflicts === 0, `${progress.counters.conflicts} conflicts`);
    }
  }

  /** Documents of several pairs may have one place on the follower. */
  get #mayMeet(): boolean {
    return this.#world.options.twins === 'anywhere' && !this.#world.aligned;
  }

  /** A pair said so, and stopped: two documents of the leader had one place on the follower. */
  collided(): boolean {
    const failures = this.#pairs().flatMap(({ snapshot }) => (snapshot?.state === 'fatal' ? [snapshot.failure] : []));
    if (!failures.some((failure) => failure?.code === 'id_collision')) return false;
    this.#claim(this.#mayMeet && this.#leader.met.size > 0, 'a collision was told, and no two documents met');
    return true;
  }

  #pairs(): readonly PairActor[] {
    return this.#world.life?.supervisor.pairs ?? [];
  }

  #followerDocuments({ pair }: PairActor): readonly StoredDocument[] {
    const { shards } = present(this.#world.followerIndex, 'a follower index');
    if (this.#world.aligned) return [...present(shards[pair.shard], 'the shard').documents()];
    return shards
      .flatMap((shard) => [...shard.documents()])
      .filter(({ version }) => shardNamedBy(this.#scheme(1), version) === pair.shard);
  }

  #documentsOf(shards: readonly (readonly StoredDocument[])[]): ReadonlyMap<string, StoredDocument> {
    const all = new Map<string, StoredDocument>();
    for (const document of shards.flat()) {
      const { id, routing } = document;
      const key = routing === undefined ? id : `${id} of ${routing}`;
      this.#claim(!all.has(key), `${key} is there twice`);
      all.set(key, document);
    }
    return all;
  }

  #epochOf({ version }: StoredDocument): number {
    return Math.max(1, Math.floor(version / 2 ** 44));
  }

  #scheme(epoch: number): VersionScheme {
    const { aligned, options } = this.#world;
    return { epoch, leaderShards: options.leaderShards, layout: aligned ? 'interleaved' : 'by-shard' };
  }

  /** The first one is kept: what is thrown inside a port is an answer to its caller, who takes it for a failure of the cluster. */
  #claim(holds: boolean, otherwise: string): asserts holds {
    if (holds) return;
    this.violation ??= new Violation(`at ${this.#world.clock.monotonic()} ms: ${otherwise}`);
    throw this.violation;
  }
}
