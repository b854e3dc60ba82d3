export interface Turns<T> {
  readonly of: readonly T[];
  readonly atOnce: number;
  /** For the lines of progress: `100 of 1000 indices made`. */
  readonly what: string;
  readonly tell: (line: string) => void;
}

/** Works on all, so many at once, and tells ten times how far it is. The first failure ends it. */
export async function inTurns<T>(
  { of, atOnce, what, tell }: Turns<T>,
  work: (one: T) => Promise<unknown>,
): Promise<void> {
  const left = of.values();
  const step = Math.max(1, Math.ceil(of.length / 10));
  let done = 0;
  const worker = async (): Promise<void> => {
    for (const one of left) {
      await work(one);
      done += 1;
      if (of.length > 100 && done % step === 0) tell(`${done} of ${of.length} ${what}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
