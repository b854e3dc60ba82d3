import type { AnswerStore } from '../ports/answer-store.ts';

/** Of more than one page, the oldest given up first. */
const ANSWERS_MAX = 32;

/**
 * For what supervisors ask each other: each question has an id of its own, is asked once, and its further pages are asked for at once. In
 * memory, since whoever asked is gone with this process or asks again.
 */
export function shortAnswers(): AnswerStore {
  const kept = new Map<string, ReadonlyMap<number, string>>();
  return {
    claim: async (_, command) => ({ first: true, command, claimedAtMs: 0 }),
    async keep(id, firstPage, pages) {
      if (firstPage + pages.length < 2) return;
      kept.set(id, new Map(pages.map((text, at) => [firstPage + at, text])));
      const [oldest] = kept.keys();
      if (kept.size > ANSWERS_MAX && oldest !== undefined) kept.delete(oldest);
    },
    page: async (id, page) => kept.get(id)?.get(page),
  };
}
