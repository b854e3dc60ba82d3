import { failed } from '../../src/domain/failure.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { LeaseChange, LeaseEntry, LeaseStore, LeaseWrite } from '../../src/ports/lease-store.ts';

interface Stored extends LeaseEntry {
  readonly timer: unknown;
}

/** What happens to a request on its way: it is stored so many times, after `beforeMs`; its answer takes `afterMs`, or is lost. */
export interface RequestFate {
  readonly stored: 0 | 1 | 2;
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly answered: boolean;
}

/** Between one process and the store. */
export interface LeaseLink {
  fate?(): RequestFate;
  /** Of a change on its way to the watch. */
  watchDelayMs?(): number;
  /** Whatever arrives waits for this: a process that is paused takes nothing. */
  arrive?(): Promise<void>;
}

export interface MemoryLink extends LeaseStore {
  /** Requests are lost and changes are not told, until it is false again. */
  cut: boolean;
}

/** The lease store in memory. Times to live and delays are those of the clock, so a simulation may use it. */
export interface MemoryLeases {
  /** As another process would open it. */
  open(link?: LeaseLink): MemoryLink;
  entry(key: string): LeaseEntry | undefined;
  /** As a server that was killed may do: what had ended, the last of it first, stands again at its old revision, and for ever. */
  resurrect(): boolean;
  /** Requests that arrived. */
  readonly writes: number;
  observe(stored: (entry: LeaseEntry) => void): void;
}

const REQUEST_TIMEOUT_MS = 2_000;
const AT_ONCE: RequestFate = { stored: 1, beforeMs: 0, afterMs: 0, answered: true };

export function memoryLeases(clock: Clock): MemoryLeases {
  const entries = new Map<string, Stored>();
  /** Last revision of each key, gone ones included. */
  const revisions = new Map<string, number>();
  const observers: ((entry: LeaseEntry) => void)[] = [];
  let lastRevision = 0;
  let writes = 0;
  let waiting: (() => void)[] = [];

  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const go of woken) go();
  };
  const expect = (key: string, expectedRevision: number): void => {
    writes += 1;
    const last = revisions.get(key) ?? 0;
    if (last === expectedRevision) return;
    throw failed('journal_conflict', {
      op: `write lease ${key}`,
      reason: `its revision was expected to be ${expectedRevision}, but is ${last}`,
    });
  };
  const endedEntries: Stored[] = [];
  const end = (key: string): void => {
    const ended = entries.get(key);
    if (ended !== undefined) endedEntries.push(ended);
    clock.clearTimeout(ended?.timer);
    entries.delete(key);
    revisions.set(key, (lastRevision += 1));
    wake();
  };
  const put = (key: string, value: string, { expectedRevision, ttlMs }: LeaseWrite): number => {
    expect(key, expectedRevision);
    clock.clearTimeout(entries.get(key)?.timer);
    const revision = (lastRevision += 1);
    const timer = ttlMs === undefined ? undefined : clock.setTimeout(() => end(key), ttlMs);
    entries.set(key, { key, value, revision, timer });
    revisions.set(key, revision);
    for (const tell of observers) tell({ key, value, revision });
    wake();
    return revision;
  };
  const entry = (key: string): LeaseEntry | undefined => {
    const stored = entries.get(key);
    return stored === undefined ? undefined : { key, value: stored.value, revision: stored.revision };
  };

  const open = (link: LeaseLink = {}): MemoryLink => {
    const store: MemoryLink & { wasCut: boolean } = {
      wasCut: false,
      get cut() {
        return this.wasCut;
      },
      set cut(cut) {
        this.wasCut = cut;
        wake();
      },
      put: (key, value, write, signal) => request(() => put(key, value, write), signal),
      delete: (key, expectedRevision, signal) =>
        request(() => {
          expect(key, expectedRevision);
          end(key);
        }, signal),
      get: (key, signal) => request(() => entry(key), signal),
      watch: (signal) => watch(store, link, signal),
    };
    const request = <T>(run: () => T, signal: AbortSignal): Promise<T> => send({ clock, store, link, run, signal });
    return store;
  };

  async function* watch(store: MemoryLink, link: LeaseLink, signal: AbortSignal): AsyncGenerator<LeaseChange> {
    const known = new Map<string, number>();
    for (let current = false; ;) {
      signal.throwIfAborted();
      const delayMs = link.watchDelayMs?.() ?? 0;
      if (delayMs > 0) await clock.sleep(delayMs, signal);
      await link.arrive?.();
      if (store.cut) {
        current = false;
        await changed(signal);
        continue;
      }
      const changes = changesSince(known, entries);
      for (const change of changes) yield change;
      if (!current) yield { kind: 'current' };
      current = true;
      if (changes.length === 0) await changed(signal);
    }
  }
  const changed = (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', giveUp, { once: true });
    waiting.push(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
    return promise;
  };

  return {
    open,
    entry,
    resurrect() {
      const stored = endedEntries.pop();
      if (stored === undefined) return false;
      entries.set(stored.key, stored);
      revisions.set(stored.key, stored.revision);
      wake();
      return true;
    },
    get writes() {
      return writes;
    },
    observe: (stored) => void observers.push(stored),
  };
}

function changesSince(known: Map<string, number>, entries: ReadonlyMap<string, LeaseEntry>): readonly LeaseChange[] {
  const gone: LeaseChange[] = [...known.keys()]
    .filter((key) => !entries.has(key))
    .map((key) => ({ kind: 'gone', key }));
  for (const change of gone) if (change.kind === 'gone') known.delete(change.key);
  const stands: LeaseChange[] = [...entries.values()]
    .filter(({ key, revision }) => known.get(key) !== revision)
    .toSorted((a, b) => a.revision - b.revision)
    .map(({ key, revision, value }) => {
      known.set(key, revision);
      return { kind: 'stands', entry: { key, revision, value } };
    });
  return [...gone, ...stands];
}

interface Sent<T> {
  readonly clock: Clock;
  readonly store: MemoryLink;
  readonly link: LeaseLink;
  readonly run: () => T;
  readonly signal: AbortSignal;
}

/** One request: may be lost, stored late or twice, and its answer lost. A caller waits 2 s at most. */
async function send<T>({ clock, store, link, run, signal }: Sent<T>): Promise<T> {
  signal.throwIfAborted();
  const fate = store.cut ? { ...AT_ONCE, stored: 0 as const, answered: false } : (link.fate?.() ?? AT_ONCE);
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timeout = clock.setTimeout(
    () => reject(failed('journal_unreachable', { op: 'lease', reason: 'no answer in time', ambiguous: true })),
    REQUEST_TIMEOUT_MS,
  );
  const giveUp = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', giveUp, { once: true });
  void travel(clock, fate, run).then(
    (answer) => void (fate.answered && resolve(answer)),
    (thrown: unknown) => void (fate.answered && reject(thrown as Error)),
  );
  try {
    return await promise;
  } finally {
    clock.clearTimeout(timeout);
    signal.removeEventListener('abort', giveUp);
    await link.arrive?.();
  }
}

async function travel<T>(clock: Clock, fate: RequestFate, run: () => T): Promise<T> {
  if (fate.beforeMs > 0) await clock.sleep(fate.beforeMs);
  if (fate.stored === 0) return new Promise<T>(() => undefined);
  try {
    return run();
  } finally {
    if (fate.stored === 2) secondCopy(run);
    if (fate.afterMs > 0) await clock.sleep(fate.afterMs);
  }
}

function secondCopy(run: () => unknown): void {
  try {
    run();
  } catch {
    // Refused, as a server would; nobody waits for its answer.
  }
}
