import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failed, type Failure, type FailureCode } from '../../src/domain/failure.ts';
import type { LeaseChange, LeaseStore } from '../../src/ports/lease-store.ts';

/** One empty store, time that goes on, and ways to harm it. */
export interface LeaseStoreBench extends AsyncDisposable {
  readonly store: LeaseStore;
  /** Aborted at the end. */
  readonly watching: AbortSignal;
  /** The same store, opened as another process would. */
  another(): Promise<LeaseStore>;
  /** Lets time go on until there is an answer. */
  until<T>(what: string, look: () => T | undefined): Promise<T>;
  /** `store` does not reach the server until it is joined again; what it sends meanwhile is lost. */
  cut(): Promise<void>;
  join(): Promise<void>;
  /** The next write of `store` is stored; its answer is lost. */
  loseNextAnswer(): void;
}

const idle = new AbortController().signal;
const once = { expectedRevision: 0 };

/** What every lease store does. Called for the fake in memory and for JetStream. */
export function testLeaseStore(name: string, create: () => Promise<LeaseStoreBench>): void {
  const using = (work: (bench: LeaseStoreBench) => Promise<void>) => async () => {
    await using bench = await create();
    await work(bench);
  };

  describe(`lease store: ${name}`, () => {
    it(
      'writes a key that was never written, and then only over the expected revision',
      using(async ({ store, another }) => {
        const other = await another();
        const first = await store.put('slot.1', 'a', once, idle);
        await rejectsWith('journal_conflict', other.put('slot.1', 'b', once, idle));
        const second = await other.put('slot.1', 'b', { expectedRevision: first }, idle);
        assert.ok(first > 0 && second > first);
        await rejectsWith('journal_conflict', store.put('slot.1', 'c', { expectedRevision: first }, idle));
        assert.deepEqual(await store.get('slot.1', idle), { key: 'slot.1', revision: second, value: 'b' });
        assert.equal(await store.get('slot.2', idle), undefined);
      }),
    );

    it(
      'gives revisions that grow over all keys',
      using(async ({ store }) => {
        const revisions: number[] = [];
        for (const key of ['slot.1', 'slot.2', 'session.a', 'slot.3'])
          revisions.push(await store.put(key, key, once, idle));
        assert.deepEqual(
          revisions,
          revisions.toSorted((a, b) => a - b),
        );
      }),
    );

    it(
      'lets one of many in that expect the same revision',
      using(async ({ store, another }) => {
        const other = await another();
        const results = await Promise.allSettled(
          Array.from({ length: 10 }, (_, at) => (at % 2 === 0 ? store : other).put('slot.1', String(at), once, idle)),
        );
        assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      }),
    );

    it(
      'takes hundreds of keys at once',
      using(async (bench) => {
        await Promise.all(
          Array.from({ length: 300 }, (_, at) => bench.store.put(`slot.${at}`, String(at), once, idle)),
        );
        const seen = await watched(bench, await bench.another());
        await bench.until('all', () => (seen.values.size === 300 && seen.currents === 1 ? true : undefined));
        assert.equal(seen.values.get('slot.299'), '299');
      }),
    );

    it(
      'ends a key when its time is over, and tells everybody who watches',
      using(async (bench) => {
        const { store, until } = bench;
        const revision = await store.put('session.a', 'alive', { expectedRevision: 0, ttlMs: 1_000 }, idle);
        await store.put('slot.1', 'a', once, idle);
        const seen = await watched(bench, await bench.another());
        await until('the watch is current', () => (seen.currents > 0 ? true : undefined));
        assert.deepEqual([...seen.values.keys()], ['session.a', 'slot.1']);
        await until('the key is gone', () => (seen.gone.includes('session.a') ? true : undefined));
        assert.equal(await store.get('session.a', idle), undefined);
        await rejectsWith(
          'journal_conflict',
          store.put('session.a', 'late', { expectedRevision: revision, ttlMs: 1_000 }, idle),
        );
        assert.deepEqual([...seen.values.keys()], ['slot.1']);
      }),
    );

    it(
      'keeps a key that is written again in time, and ends it when that is over',
      using(async (bench) => {
        const { store, until } = bench;
        const seen = await watched(bench, await bench.another());
        let revision = await store.put('session.a', '0', { expectedRevision: 0, ttlMs: 2_000 }, idle);
        const short = await store.put('session.b', '0', { expectedRevision: 0, ttlMs: 3_000 }, idle);
        // Longer than one life, as the short-lived neighbour shows.
        for (let at = 1; !seen.gone.includes('session.b'); at += 1) {
          assert.ok(at < 20 && short > 0);
          revision = await store.put('session.a', String(at), { expectedRevision: revision, ttlMs: 2_000 }, idle);
          await until(`renewal ${at} is seen`, () => (seen.values.get('session.a') === String(at) ? true : undefined));
          let looks = 0;
          await until('a while', () => ((looks += 1) > 10 ? true : undefined));
        }
        assert.equal(seen.gone.includes('session.a'), false);
        await until('the end', () => (seen.gone.includes('session.a') ? true : undefined));
      }),
    );

    it(
      'deletes a key at its expected revision only, and tells so',
      using(async (bench) => {
        const { store, until } = bench;
        const seen = await watched(bench, await bench.another());
        const revision = await store.put('session.a', 'alive', { expectedRevision: 0, ttlMs: 60_000 }, idle);
        await rejectsWith('journal_conflict', store.delete('session.a', revision + 1, idle));
        await store.delete('session.a', revision, idle);
        assert.equal(await store.get('session.a', idle), undefined);
        await until('the key is gone', () => (seen.gone.includes('session.a') ? true : undefined));
        await rejectsWith('journal_conflict', store.put('session.a', 'b', { expectedRevision: revision }, idle));
      }),
    );

    it(
      'says that the fate of a write is unknown when its answer was lost; the key tells it',
      using(async (bench) => {
        bench.loseNextAnswer();
        let failure: Failure | undefined;
        void rejectsWith('journal_unreachable', bench.store.put('slot.1', 'a', once, idle)).then((f) => (failure = f));
        assert.equal((await bench.until('a failure', () => failure)).ambiguous, true);
        assert.equal((await bench.store.get('slot.1', idle))?.value, 'a');
      }),
    );

    it(
      'tells after an outage what was written and what ended meanwhile',
      using(async (bench) => {
        const other = await bench.another();
        const seen = await watched(bench, bench.store);
        const first = await other.put('slot.1', 'a', once, idle);
        // Before the other, so that whoever has seen that has seen it too, or its end.
        await other.put('session.b', 'alive', { expectedRevision: 0, ttlMs: 1_000 }, idle);
        const session = await other.put('session.a', 'alive', { expectedRevision: 0, ttlMs: 60_000 }, idle);
        await bench.until('both', () => (seen.values.has('slot.1') && seen.values.has('session.a') ? true : undefined));
        const currents = seen.currents;
        await bench.cut();
        await other.put('slot.1', 'b', { expectedRevision: first }, idle);
        await other.put('slot.2', 'c', once, idle);
        await other.delete('session.a', session, idle);
        const theirs = await watched(bench, other);
        await bench.until('the end of b', () =>
          !theirs.values.has('session.b') && theirs.currents > 0 ? true : undefined,
        );
        await bench.join();
        await bench.until('current again', () => (seen.currents > currents ? true : undefined));
        await bench.until('all', () => (seen.values.get('slot.2') === 'c' ? true : undefined));
        assert.deepEqual(Object.fromEntries(seen.values), Object.fromEntries(theirs.values));
        assert.deepEqual(seen.gone.toSorted(), ['session.a', 'session.b']);
      }),
    );

    it(
      'fails within a bounded time while the server is away',
      using(async (bench) => {
        await bench.cut();
        let failures = 0;
        void rejectsWith('journal_unreachable', bench.store.put('slot.1', 'a', once, idle)).then(() => (failures += 1));
        void rejectsWith('journal_unreachable', bench.store.get('slot.1', idle)).then(() => (failures += 1));
        void rejectsWith('journal_unreachable', bench.store.delete('slot.1', 7, idle)).then(() => (failures += 1));
        await bench.until('failures', () => (failures === 3 ? true : undefined));
      }),
    );

    it(
      'gives up at once when aborted, with the reason of the signal',
      using(async ({ store }) => {
        const gone = AbortSignal.abort(new Error('shutting down'));
        await assert.rejects(store.put('slot.1', 'a', once, gone), /shutting down/);
        await assert.rejects(store.get('slot.1', gone), /shutting down/);
        await assert.rejects(store.watch(gone)[Symbol.asyncIterator]().next(), /shutting down/);
        const stop = new AbortController();
        const watching = (async () => {
          for await (const change of store.watch(stop.signal))
            if (change.kind === 'current') stop.abort(new Error('enough'));
        })();
        await assert.rejects(watching, /enough/);
      }),
    );
  });
}

interface Watched {
  readonly values: Map<string, string>;
  readonly gone: string[];
  readonly currents: number;
}

async function watched({ until, watching }: LeaseStoreBench, store: LeaseStore): Promise<Watched> {
  const seen = { values: new Map<string, string>(), gone: [] as string[], currents: 0 };
  const take = (change: LeaseChange): void => {
    if (change.kind === 'current') seen.currents += 1;
    else if (change.kind === 'stands') seen.values.set(change.entry.key, change.entry.value);
    else if (seen.values.delete(change.key)) seen.gone.push(change.key);
  };
  void (async () => {
    for await (const change of store.watch(watching)) take(change);
  })().catch(() => undefined);
  await until('a first look', () => (seen.currents > 0 ? true : undefined));
  return seen;
}

async function rejectsWith(code: FailureCode, work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (thrown) {
    if (!(thrown instanceof Failed)) throw thrown;
    assert.equal(thrown.failure.code, code);
    return thrown.failure;
  }
  throw new assert.AssertionError({ message: `expected ${code}, but it went well` });
}
