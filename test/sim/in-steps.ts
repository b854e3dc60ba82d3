/** What both simulations run by: nothing happens between two timers but what the first has set off. */

/** Every promise that can go on has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Steps until the work has ended. */
export async function duringSteps<T>(step: (end: () => boolean) => Promise<void>, work: Promise<T>): Promise<T> {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  work.then(end, end);
  await settled();
  await step(() => ended);
  return work;
}
