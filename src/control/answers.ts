/** Answers to the commands of late, by command id, so that a repeated command gets the first answer and nothing is done twice. */
export interface Answers<T> {
  /**
   * Runs `work`, or gives what the first call with this id gave, also while that is still under way. `undefined` for an id that was used for
   * another command. Answers that `keep` refuses are forgotten, so that a repetition tries again.
   */
  once(id: string, command: string, work: () => Promise<T>): Promise<T> | undefined;
}

export function rememberAnswers<T>({
  limit,
  keep,
}: {
  readonly limit: number;
  readonly keep: (answer: T) => boolean;
}): Answers<T> {
  const remembered = new Map<string, { readonly command: string; readonly answer: Promise<T> }>();
  return {
    once(id, command, work) {
      const first = remembered.get(id);
      if (first !== undefined) return first.command === command ? first.answer : undefined;
      const answer = work();
      remembered.set(id, { command, answer });
      const forget = (): void => void remembered.delete(id);
      answer.then((given) => void (keep(given) || forget()), forget);
      const oldest = remembered.size > limit ? remembered.keys().next().value : undefined;
      if (oldest !== undefined) remembered.delete(oldest);
      return answer;
    },
  };
}
