type Pairs = readonly { readonly pair: string }[];

/** Of each method that changes something on a follower cluster: the indices it is about, by its arguments. */
const WRITTEN: Readonly<Record<string, (args: readonly unknown[]) => readonly string[]>> = {
  bulk: ([request]) => [(request as { readonly index: string }).index],
  createIndex: ([index]) => [String(index)],
  putMapping: ([index]) => [String(index)],
  putSettings: ([index]) => [String(index)],
  save: ([writes]) =>
    (writes as readonly { readonly record: Pairs[number] }[]).map(({ record }) => indexOf(record.pair)),
  put: ([writes]) => (writes as Pairs).map(({ pair }) => indexOf(pair)),
  // Of positions, by their pairs; of documents in quarantine, of one pair.
  remove: ([pairs]) => [pairs].flat().map((pair) => indexOf(String(pair))),
};

export function writtenIndices(method: string, args: readonly unknown[]): readonly string[] {
  return [...new Set(WRITTEN[method]?.(args) ?? [])];
}

/** `cluster/index/shard`. */
function indexOf(pair: string): string {
  return pair.split('/')[1] ?? '';
}
