import type { AnswerStore } from '../ports/answer-store.ts';

export interface Asked {
  readonly id: string;
  /** The same text for the same command. */
  readonly command: string;
  /** Which page of the answer is wanted; the first runs the command if nobody has. */
  readonly page: number;
}

/** `another`: the id stands for another command. `missing`: there is no such page. */
export type Answered =
  | { readonly kind: 'page'; readonly text: string }
  | { readonly kind: 'another' }
  | { readonly kind: 'missing' };

export interface Worked {
  readonly pages: readonly string[];
  /** False for an answer that asks to be repeated: then the command runs again. */
  readonly final: boolean;
}

/**
 * Every command runs once: who repeats it by its id gets the first answer, also while that is under way, and from a supervisor that
 * started since. A command whose supervisor ended before it answered is taken up again, told when it was begun.
 */
export function answerOnce(
  store: AnswerStore,
  lost: (thrown: unknown) => void,
): (asked: Asked, work: (begunAtMs: number | undefined) => Promise<Worked>) => Promise<Answered> {
  const underWay = new Map<string, { readonly command: string; readonly pages: Promise<readonly string[]> }>();

  const settle = async (
    { id, command }: Asked,
    work: (begunAtMs: number | undefined) => Promise<Worked>,
  ): Promise<readonly string[] | undefined> => {
    const claim = await store.claim(id, command);
    if (claim.command !== command) return undefined;
    const first = claim.first ? undefined : await store.page(id, 0);
    if (first !== undefined) return [first];
    const { pages, final } = await work(claim.first ? undefined : claim.claimedAtMs);
    // The decision is in the journal and the answer known: who asks again after this failed is told what the journal says.
    // One that asks to be repeated has no first page there, but those behind it, for whoever reads on.
    const firstPage = final ? 0 : 1;
    await store.keep(id, firstPage, pages.slice(firstPage)).catch(lost);
    return pages;
  };

  return async (asked, work) => {
    const { id, command, page } = asked;
    const pending = underWay.get(id);
    if (pending !== undefined) {
      if (pending.command !== command) return { kind: 'another' };
      return pageOf((await pending.pages)[page]);
    }
    if (page > 0) return pageOf(await store.page(id, page));
    const settled = settle(asked, work);
    // Whoever joins hears of a rejection; nobody may.
    const pages = settled.then((given) => given ?? []);
    pages.catch(() => undefined);
    underWay.set(id, { command, pages });
    try {
      const given = await settled;
      return given === undefined ? { kind: 'another' } : pageOf(given[0]);
    } finally {
      underWay.delete(id);
    }
  };
}

function pageOf(text: string | undefined): Answered {
  return text === undefined ? { kind: 'missing' } : { kind: 'page', text };
}
