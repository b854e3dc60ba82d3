/** Several supervisors of one journal whose indices are all paused, asked for pages over the wire format. */
import { commandClient } from '../../../src/control/client.ts';
import { commandService } from '../../../src/control/service.ts';
import { present } from '../../../src/domain/assert.ts';
import type { Page, PageWanted, QueryPages, ServedSurface } from '../../../src/domain/commands.ts';
import { failed } from '../../../src/domain/failure.ts';
import type { IndexSnapshot, PairSnapshot } from '../../../src/domain/journal.ts';
import { pairKey, type FollowerIndexRef } from '../../../src/domain/names.ts';
import { slotOf } from '../../../src/domain/slots.ts';
import { indexSubject, pairSubject } from '../../../src/domain/subjects.ts';
import { FOLLOWER, LEADER } from '../../sim/sim-world.ts';
import { countingRandom, directTransport, sleepingClock } from '../../support/control-bench.ts';
import { sharedOwnership, type SharedOwnership } from '../../support/fixed-ownership.ts';
import { followedEvent, startedEvent } from '../../support/journal-events.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';
import { type ActorBench, actorBench } from './actor-bench.ts';

export interface PausedIndex {
  readonly index: string;
  readonly shards: number;
  /** Documents in quarantine, of shard 0. */
  readonly quarantined: number;
}

export interface PageWorld {
  readonly bench: ActorBench;
  readonly owners: SharedOwnership;
  /** Those of a supervisor, as a client asks for them. */
  readonly pagesOf: (name: string) => QueryPages;
  /** Name of the supervisor that owns an index. */
  readonly ownerOf: (follower: FollowerIndexRef) => string | undefined;
  /** Rows that supervisors sent to one another. */
  readonly sent: { rows: number };
  add(index: PausedIndex): Promise<void>;
  /** Its record cannot be read from now on. */
  spoil(index: string): void;
}

export interface PageWorldOptions {
  readonly names: readonly string[];
  /** Makes pages as large as it can, as the version before did. */
  readonly heedless?: ReadonlySet<string>;
  /** Does not answer other supervisors. */
  readonly silent?: ReadonlySet<string>;
}

/** What is told by another supervisor, and not by the journal, is marked. */
export const TOLD_BY_OWNER = 77;

const MAX_REPLY_BYTES = 1024 * 1024;

export const ref = (index: string): FollowerIndexRef => ({ cluster: FOLLOWER.cluster, index });

export async function pageWorld({ names, heedless, silent }: PageWorldOptions): Promise<PageWorld> {
  const bench = actorBench();
  const { world } = bench;
  const owners = sharedOwnership();
  const log = world.journal.open();
  const { signal } = new AbortController();
  const surfaces = new Map<string, ServedSurface>();
  const sent = { rows: 0 };
  const peer = (session: string): ServedSurface => {
    const { alone } = present(lives.get(session), session).supervisor;
    return served({ ...alone, pages: marked(alone.pages, sent) }, heedless?.has(session));
  };
  const peers = (session: string): ServedSurface => {
    if (silent?.has(session) === true) throw failed('command_timeout', { op: 'status', reason: 'no answer' });
    return peer(session);
  };
  const clusters = [LEADER.cluster, FOLLOWER.cluster];
  const members = new Map(names.map((name) => [name, owners.member(name, { clusters })]));
  const lives = new Map([...members].map(([name, ownership]) => [name, world.startLife({ ownership, peers })]));
  for (const [name, { supervisor }] of lives) {
    await bench.run(supervisor.start());
    surfaces.set(name, served(supervisor));
  }
  return {
    bench,
    owners,
    sent,
    ownerOf: (follower) => members.get(names[0] ?? '')?.ownerOf(slotOf(follower))?.session,
    pagesOf: (name) => present(surfaces.get(name), name).pages,
    async add({ index, shards, quarantined }) {
      const follower = ref(index);
      for (let shard = 0; shard < shards; shard += 1) {
        const pair = { follower, shard };
        const event = startedEvent(`${index} ${shard}`, pair);
        const result = { ...(event.result as PairSnapshot), ...PAUSED, quarantined: shard === 0 ? quarantined : 0 };
        await log.append(pairSubject(pair), { ...event, result } as typeof event, 0, signal);
      }
      const writes = Array.from({ length: quarantined }, (_, seqNo) => ({
        pair: pairKey({ follower, shard: 0 }),
        epoch: 1,
        version: seqNo,
        document: { ...REFUSED, id: `d${seqNo}`, seqNo },
        copySeqNo: undefined,
        content: undefined,
        contentBytes: undefined,
      }));
      await world.quarantine.put(writes, signal);
      const event = followedEvent(index, follower);
      const result = { ...(event.result as IndexSnapshot), state: 'prepared' as const, shards, leader: LEADER };
      await log.append(indexSubject(follower), { ...event, result } as typeof event, 0, signal);
    },
    spoil: (index) => world.journal.storeText(indexSubject(ref(index)), 'no event'),
  };
}

const PAUSED = { state: 'paused', desired: 'paused', resumeTo: 'following' } as const;

const REFUSED = {
  routing: undefined,
  code: 'document_rejected',
  reason: 'as the test wishes',
  copyVersion: undefined,
  firstRefusedAtMs: 0,
  refusedAtMs: 0,
  refusals: 1,
} as const;

/** Through client and service, as over NATS. */
function served(surface: ServedSurface, heedless = false): ServedSurface {
  const random = countingRandom();
  const transport = directTransport(commandService({ surface, random, answers: memoryAnswers() }), MAX_REPLY_BYTES);
  const request: typeof transport.request = (name, body, { pageBytes, ...options }) =>
    transport.request(name, body, heedless ? options : { ...options, pageBytes });
  return commandClient({ transport: { request }, clock: sleepingClock(), random });
}

function marked(pages: QueryPages, sent: { rows: number }): QueryPages {
  const counted = <T>(page: Page<T>, rows: number): Page<T> => {
    sent.rows += rows;
    return page;
  };
  return {
    async status(query, wanted: PageWanted) {
      const { items, next } = await pages.status(query, wanted);
      const rows = items.reduce((sum, { pairs }) => sum + Math.max(1, pairs.length), 0);
      const told = items.map((index) => ({
        ...index,
        pairs: index.pairs.map((pair) => ({ ...pair, attempt: TOLD_BY_OWNER })),
      }));
      return counted({ items: told, next }, rows);
    },
    async list(wanted) {
      const page = await pages.list(wanted);
      return counted(page, page.items.length);
    },
    async quarantine(query, wanted) {
      const page = await pages.quarantine(query, wanted);
      return counted(page, page.items.length);
    },
  };
}
