import { Failed } from '../domain/failure.ts';
import { expectedBytes, firstPage, nextPage, type PageLimits, type PageSizing } from '../domain/page-size.ts';
import type { SearchPage } from '../domain/wire/search-page.ts';
import type { LeaderCluster, PageRequest } from '../ports/leader-cluster.ts';
import { ByteBudget } from './byte-budget.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';

export type PageWish = Omit<PageRequest, 'size' | 'buffers'>;
export interface RangeWish extends PageWish {
  readonly upTo: number;
  /** Documents for each sequence number where the range was read last. */
  readonly density: number;
}

const PAGE_BYTES_TARGET = 8 * 1024 * 1024;
/** Where so many of the sequence numbers still stand, windows of as many numbers as a page has documents are well filled. */
const DENSE = 0.5;

/** Reads pages of adaptive size within the supervisor's byte budget. */
export class PageReader {
  readonly #leader: LeaderCluster;
  readonly #budget: ByteBudget;
  readonly #own: ByteBudget;
  readonly #limits: PageLimits;
  #sizing: PageSizing;
  bytesRead = 0;

  /** `budget`: of the supervisor. `own`: the pair's share of it at most. */
  constructor(options: { leader: LeaderCluster; budget: ByteBudget; own: ByteBudget; limits: PageLimits }) {
    this.#leader = options.leader;
    this.#budget = options.budget;
    this.#own = options.own;
    this.#limits = options.limits;
    this.#sizing = firstPage(options.limits);
  }

  /** Of the next page. */
  get documents(): number {
    return this.#sizing.documents;
  }

  /** Reads a page and holds its share of the budget, and its memory, until `apply` is done: nothing of it may be kept. `full`: there may be more after it. */
  async read<T>(
    wish: PageWish | ((documents: number) => PageWish),
    signal: AbortSignal,
    apply: (page: SearchPage, full: boolean) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const { documents } = this.#sizing;
      // The pair's own share first: whoever waits for it holds nothing of the others'.
      const own = await this.#own.acquire(expectedBytes(this.#sizing), documents, signal);
      const lease = await this.#budget
        .acquire(expectedBytes(this.#sizing), documents, signal)
        .catch((thrown: unknown) => {
          own.release();
          throw thrown;
        });
      const { buffers } = this.#budget;
      let page: SearchPage | 'too large' | undefined;
      try {
        const asked = typeof wish === 'function' ? wish(documents) : wish;
        page = await this.#read({ ...asked, size: documents, buffers }, signal);
        if (page === 'too large') continue;
        own.adjust(page.body.length, page.hits.length);
        lease.adjust(page.body.length, page.hits.length);
        this.bytesRead += page.body.length;
        this.#sizing = nextPage(this.#sizing, { documents: page.hits.length, bytes: page.body.length }, this.#limits);
        return await apply(page, page.hits.length >= documents);
      } finally {
        if (typeof page === 'object') {
          buffers.give(page.body);
          buffers.hits.give(page.hits);
        }
        lease.release();
        own.release();
      }
    }
  }

  /**
   * The same for a range; `apply` hears up to which number the page holds everything. A window of no more numbers than a page has documents
   * needs no order, which costs the leader a fifth of the page; where few numbers still stand, pages are sorted and as wide as it takes.
   */
  async readRange<T>(
    { density, ...wish }: RangeWish,
    signal: AbortSignal,
    apply: (page: SearchPage, upTo: number) => Promise<T>,
  ): Promise<T> {
    let asked: PageWish & { readonly upTo: number } = wish;
    const windowed = (documents: number): PageWish => {
      const upTo = Math.min(wish.upTo, wish.after + documents);
      asked = density < DENSE ? wish : { ...wish, upTo, unsorted: true };
      return asked;
    };
    return this.read(windowed, signal, (page, full) => {
      const cut = full && asked.unsorted !== true ? page.hits.at(-1)?.seqNo : undefined;
      return apply(page, cut ?? asked.upTo);
    });
  }

  /** A page above the largest answer that is kept is asked for again with a quarter of the documents, down to one. */
  async #read(request: PageRequest, signal: AbortSignal): Promise<SearchPage | 'too large'> {
    try {
      return await this.#leader.readPage(request, signal);
    } catch (thrown) {
      if (!(thrown instanceof Failed) || thrown.failure.code !== 'answer_too_large' || request.size === 1) throw thrown;
      this.#sizing = { ...this.#sizing, documents: Math.max(1, Math.floor(request.size / 4)) };
      return 'too large';
    }
  }
}

/** Within the parameters of the pair. */
export function pageReaderOf(
  { leader, budget }: Pick<ReplicatorPorts, 'leader' | 'budget'>,
  { parameters, resultWindow }: Pick<ReplicatorSetup, 'parameters' | 'resultWindow'>,
): PageReader {
  const own = new ByteBudget({
    capacityBytes: parameters.max_write_buffer_size_bytes,
    capacityOperations: parameters.max_write_buffer_count,
  });
  const limits = {
    documentsMax: Math.min(parameters.max_read_request_operation_count, resultWindow),
    bytesTarget: Math.min(parameters.max_read_request_size_bytes, PAGE_BYTES_TARGET),
  };
  return new PageReader({ leader, budget, own, limits });
}
