import { present } from '../../src/domain/assert.ts';
import { shardNumberFor, shardNumberOf } from '../support/memory-search/memory-cluster.ts';
import { LEADER, type SimWorld } from './sim-world.ts';

/** The applications that write to the leader, and what happens to its shards. Every source is another one. */
export class SimLeader {
  readonly #world: SimWorld;
  #left: number;
  #sources = 0;
  #fields = 0;
  /** Sequence numbers of the operations on each document of a shard, deletes too, in their order; by `placeOf`. */
  readonly #operations = new Map<string, number[]>();
  /** Sources of operations that a failover took back; they must never be seen on the follower. */
  readonly rolledBack = new Set<string>();
  /** By id: the places on both sides that its documents ever had. */
  readonly #places = new Map<string, Map<number, Set<number>>>();
  /** Ids that ever lived on several leader shards and in one place of the follower. */
  readonly met = new Set<string>();
  onRollBack: () => void = () => undefined;

  constructor(world: SimWorld) {
    this.#world = world;
    this.#left = world.options.operations;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  start(): void {
    const { clock, random, options } = this.#world;
    const next = (): void => {
      if (this.#left === 0) return;
      if (this.#world.leaderIndex.state === 'open') {
        this.#left -= 1;
        this.#operate();
      }
      clock.setTimeout(next, random.between(0, options.writerPauseMs));
    };
    // Some of it is there before anybody follows.
    for (let early = random.below(this.#left); early > 0; early -= 1) {
      this.#left -= 1;
      this.#operate();
    }
    clock.setTimeout(next, 1);
  }

  #operate(): void {
    const { random, options, clock } = this.#world;
    const number = random.below(options.ids);
    // A third is routed, each document always in the same way.
    const key = { id: `d${number}`, routing: number % 3 === 0 ? this.#routing(number) : undefined };
    const shard = this.#world.leaderShardOf(key);
    if (shard.isInFlight(key.id)) return;
    const remove = random.chance(0.35);
    if (remove && shard.get(key.id) === undefined) return;
    const source = remove ? undefined : this.#source();
    const place = this.placeOf(key);
    this.#meet(key);
    if (random.chance(0.1)) {
      const { seqNo, complete } = shard.reserve({ ...key, source });
      this.#operated(place, seqNo);
      clock.setTimeout(complete, random.between(1, 300));
    } else {
      const { seqNo } = shard.write({ ...key, source });
      if (seqNo !== undefined) this.#operated(place, seqNo);
    }
    if (random.chance(options.leaps)) shard.leap(random.between(1, 30_000));
    if (random.chance(0.05)) shard.refresh();
    if (random.chance(0.05) && shard.heldCheckpoint === undefined) {
      shard.heldCheckpoint = shard.globalCheckpoint;
      clock.setTimeout(() => (shard.heldCheckpoint = undefined), random.between(10, 3000));
    }
    if (random.chance(0.01)) this.#addField();
  }

  #routing(number: number): string {
    const { random, options } = this.#world;
    if (options.twins === 'none') return `r${number % 5}`;
    const routings = Array.from({ length: 12 }, (_, at) => `r${at}`);
    const home = this.shardNumberOf({ id: '', routing: routings[number % 12] });
    const within = routings.filter((routing) => this.shardNumberOf({ id: '', routing }) === home);
    const among = options.twins === 'anywhere' ? routings : within;
    return present(among[random.below(among.length)], 'a routing');
  }

  /** One document of the leader. */
  placeOf(key: { id: string; routing?: string | undefined }): string {
    return `${shardNumberOf(this.#world.leaderIndex, key)}/${key.id}`;
  }

  #meet(key: { id: string; routing: string | undefined }): void {
    const places = this.#places.get(key.id) ?? new Map<number, Set<number>>();
    this.#places.set(key.id, places);
    const { followerShards: shards } = this.#world.options;
    const there = shardNumberFor({ formula: 'mod', shards }, key);
    const from = places.get(there) ?? new Set();
    places.set(there, from.add(shardNumberOf(this.#world.leaderIndex, key)));
    if (from.size > 1) this.met.add(key.id);
  }

  /** Names how many fields the mapping had: a follower that lacks one was written to before its mapping was in step. */
  #source(): string {
    this.#sources += 1;
    return JSON.stringify({ n: this.#sources, fields: this.#fields });
  }

  #addField(): void {
    this.#fields += 1;
    void this.#world.leaderAdmin.putMapping(
      LEADER.index,
      { properties: { [`f${this.#fields}`]: { type: 'keyword' } } },
      AbortSignal.any([]),
    );
  }

  /** Another copy of a shard takes over. Nothing at or below the global checkpoint is lost. */
  failOver(): void {
    const { random } = this.#world;
    const index = this.#world.leaderIndex;
    const number = random.below(index.shards.length);
    const shard = present(index.shards[number], 'a shard');
    const lost = shard.rollBackTo(random.between(shard.globalCheckpoint, shard.maxSeqNo));
    for (const { source } of lost) this.rolledBack.add(source);
    index.primaryTerms = index.primaryTerms.map((term, at) => (at === number ? term + 1 : term));
    this.#forgetOperations();
  }

  /** The whole index goes back to a snapshot, under a history of its own. */
  restore(): void {
    const { random } = this.#world;
    const index = this.#world.leaderIndex;
    for (const [number, shard] of index.shards.entries()) {
      shard.rollBackTo(random.between(-1, shard.maxSeqNo));
      shard.historyUuid = `${shard.historyUuid}-restored-${number}`;
    }
    index.primaryTerms = index.primaryTerms.map((term) => term + 2);
    this.#forgetOperations();
  }

  close(): void {
    const { clock, random, leaderIndex: index } = this.#world;
    if (index.shards.some((shard) => shard.inFlight.size > 0)) return;
    index.state = 'close';
    clock.setTimeout(
      () => {
        index.state = 'open';
        index.primaryTerms = index.primaryTerms.map((term) => term + 2);
      },
      random.between(50, 2000),
    );
  }

  #operated(place: string, seqNo: number): void {
    const known = this.#operations.get(place);
    if (known === undefined) this.#operations.set(place, [seqNo]);
    else known.push(seqNo);
  }

  lastOperation(place: string): number | undefined {
    return this.#operations.get(place)?.at(-1);
  }

  /** The operation that ended the state that `seqNo` gave to a document; undefined: none that is known. */
  operationAfter(place: string, seqNo: number): number | undefined {
    return this.#operations.get(place)?.find((other) => other > seqNo);
  }

  #forgetOperations(): void {
    this.#operations.clear();
    for (const shard of this.#world.leaderIndex.shards) {
      for (const document of shard.documents()) this.#operated(this.placeOf(document), document.seqNo);
      for (const [seqNo, write] of shard.inFlight) this.#operated(this.placeOf(write), seqNo);
    }
    this.onRollBack();
  }

  shardNumberOf(key: { id: string; routing?: string | undefined }): number {
    return shardNumberOf(this.#world.leaderIndex, key);
  }
}
