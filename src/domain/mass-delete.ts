/** So few are never too many: small shards would stop at every other delete. */
const FLOOR_DELETES = 100;

/** Whether so many deletes at once are an operator's to decide. `share`: of the documents that the follower holds, 0 to 1. */
export function isMassDelete(deletes: number, documents: number, share: number): boolean {
  return deletes > FLOOR_DELETES && deletes > documents * share;
}
