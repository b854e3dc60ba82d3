import { type IndexAddress, readIndex } from './read-index.ts';

export interface IndexComparison {
  readonly equal: boolean;
  readonly leftDocuments: number;
  readonly rightDocuments: number;
  /** Documents as `id` or `id (routing)`, in order. */
  readonly onlyLeft: readonly string[];
  readonly onlyRight: readonly string[];
  /** Same id and routing, other raw `_source` (line breaks in it count as spaces). */
  readonly different: readonly string[];
}

/** Compares two indices document by document: id, routing and raw source. Nobody may write meanwhile. */
export async function compareIndices(left: IndexAddress, right: IndexAddress): Promise<IndexComparison> {
  const sources = new Map<string, string>();
  let leftDocuments = 0;
  for await (const { id, routing, source } of readIndex(left)) {
    leftDocuments += 1;
    sources.set(nameOf(id, routing), comparable(source));
  }
  if (sources.size !== leftDocuments)
    throw new Error(`${left.index} shows ${leftDocuments - sources.size} documents twice`);
  const onlyRight: string[] = [];
  const different: string[] = [];
  const seen = new Set<string>();
  let rightDocuments = 0;
  for await (const { id, routing, source } of readIndex(right)) {
    rightDocuments += 1;
    const name = nameOf(id, routing);
    const expected = sources.get(name);
    if (expected === undefined || seen.has(name)) onlyRight.push(name);
    else if (expected !== comparable(source)) different.push(name);
    seen.add(name);
  }
  const onlyLeft = [...sources.keys()].filter((name) => !seen.has(name)).toSorted();
  const equal = onlyLeft.length === 0 && onlyRight.length === 0 && different.length === 0;
  return {
    equal,
    leftDocuments,
    rightDocuments,
    onlyLeft,
    onlyRight: onlyRight.toSorted(),
    different: different.toSorted(),
  };
}

function nameOf(id: string, routing: string | undefined): string {
  return routing === undefined ? id : `${id} (${routing})`;
}

function comparable(source: string): string {
  return source.replaceAll('\n', ' ').replaceAll('\r', ' ');
}
