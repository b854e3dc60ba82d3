import type { AnswerStore } from '../../src/ports/answer-store.ts';

/** Outlives the supervisors that use it. */
export function memoryAnswers(now: () => number = () => 0): AnswerStore {
  const claims = new Map<string, { readonly command: string; readonly claimedAtMs: number }>();
  const answers = new Map<string, string>();
  return {
    async claim(id, command) {
      const standing = claims.get(id);
      if (standing !== undefined) return { first: false, ...standing };
      claims.set(id, { command, claimedAtMs: now() });
      return { first: true, command, claimedAtMs: now() };
    },
    async keep(id, firstPage, pages) {
      for (const [at, text] of pages.entries()) answers.set(`${firstPage + at} ${id}`, text);
    },
    page: async (id, page) => answers.get(`${page} ${id}`),
  };
}
