/**
 * Reads every document of an index with its raw `_source`, by plain requests and a scanner of its own: nothing of the product is used, so that tests can
 * check the product against it. For indices of a size that tests use.
 */
export interface IndexAddress {
  readonly url: string;
  readonly index: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `_source` of the search; `false` reads ids alone. */
  readonly filter?: object | false;
  /** For each request. */
  readonly timeoutMs?: number;
}

export interface ReadDocument {
  readonly shard: number;
  readonly id: string;
  readonly routing: string | undefined;
  readonly seqNo: number;
  readonly version: number;
  /** JSON text exactly as the cluster returns it. */
  readonly source: string;
}

const PAGE_DOCUMENTS = 2_000;

/** Refreshes the index first. */
export async function* readIndex(address: IndexAddress): AsyncGenerator<ReadDocument> {
  const name = encodeURIComponent(address.index);
  await call(address, 'POST', `/${name}/_refresh`);
  const settings = JSON.parse(await call(address, 'GET', `/${name}/_settings?flat_settings=true`)) as Record<
    string,
    { settings: Record<string, string> }
  >;
  const shards = Number(settings[address.index]?.settings['index.number_of_shards']);
  if (!Number.isInteger(shards)) throw new Error(`${address.index} at ${address.url} is no index`);
  for (let shard = 0; shard < shards; shard += 1) yield* readShard(address, shard);
}

async function* readShard(address: IndexAddress, shard: number): AsyncGenerator<ReadDocument> {
  const filter = address.filter === undefined ? {} : { _source: address.filter };
  const search = { size: PAGE_DOCUMENTS, sort: ['_doc'], version: true, seq_no_primary_term: true, ...filter };
  const path = `/${encodeURIComponent(address.index)}/_search?scroll=2m&preference=_shards:${shard}&allow_partial_search_results=false`;
  let answer = await call(address, 'POST', path, JSON.stringify(search));
  const scrollId = (JSON.parse(memberText(answer, '_scroll_id') ?? 'null') ?? '') as string;
  try {
    for (;;) {
      const hits = elementTexts(memberText(memberText(answer, 'hits') ?? '{}', 'hits') ?? '[]');
      if (hits.length === 0) return;
      for (const hit of hits) yield documentOf(hit, shard, address.filter !== false);
      answer = await call(address, 'POST', '/_search/scroll', JSON.stringify({ scroll: '2m', scroll_id: scrollId }));
    }
  } finally {
    await call(address, 'DELETE', '/_search/scroll', JSON.stringify({ scroll_id: scrollId }));
  }
}

function documentOf(hit: string, shard: number, withSource: boolean): ReadDocument {
  // Never the hit as a whole: a document may have comments.
  const of = (name: string): unknown => JSON.parse(memberText(hit, name) ?? 'null');
  const id = of('_id') as string;
  const routing = (of('_routing') ?? undefined) as string | undefined;
  const [seqNo, version] = [of('_seq_no') as number, of('_version') as number];
  const source = withSource ? memberText(hit, '_source') : '';
  if (source === undefined) throw new Error(`document ${id} has no _source`);
  return { shard, id, routing, seqNo, version, source };
}

export async function call(
  address: Omit<IndexAddress, 'index'>,
  method: string,
  path: string,
  body?: string | Uint8Array<ArrayBuffer>,
): Promise<string> {
  const headers = {
    ...address.headers,
    ...(body === undefined
      ? {}
      : { 'content-type': typeof body === 'string' ? 'application/json' : 'application/x-ndjson' }),
  };
  const response = await fetch(`${address.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
    ...(address.timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(address.timeoutMs) }),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`${method} ${path.split('?')[0]} at ${address.url}: HTTP ${response.status} ${text.slice(0, 300)}`);
  return text;
}

/** The JSON text of one member of an object's text. */
function memberText(object: string, name: string): string | undefined {
  for (let at = skipTo(object, 1); object[at] === '"'; at = skipTo(object, at)) {
    const keyEnd = stringEnd(object, at);
    const start = skipTo(object, keyEnd);
    const end = valueEnd(object, start);
    if (object.slice(at + 1, keyEnd - 1) === name) return object.slice(start, end);
    at = end;
  }
  return undefined;
}

function elementTexts(array: string): readonly string[] {
  const elements: string[] = [];
  for (let at = skipTo(array, 1); array[at] !== ']' && at < array.length; at = skipTo(array, at)) {
    const end = valueEnd(array, at);
    elements.push(array.slice(at, end));
    at = end;
  }
  return elements;
}

/** Passes white space, commas and colons. */
function skipTo(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\r\n,:'.includes(text[at] ?? '')) at += 1;
  return at;
}

function stringEnd(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function valueEnd(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const character = text[at];
    if (character === undefined) throw new Error('the answer ends within a value');
    if (character === '"') {
      at = stringEnd(text, at);
      continue;
    }
    if (character === '/') {
      at = commentEnd(text, at);
      continue;
    }
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    else if (depth === 0) {
      while (at < text.length && !' \t\r\n,]}'.includes(text[at] ?? '')) at += 1;
      return at;
    }
    at += 1;
  } while (depth > 0);
  return at;
}

/** Elasticsearch keeps and returns the comments of a document. */
function commentEnd(text: string, start: number): number {
  const end = text[start + 1] === '*' ? text.indexOf('*/', start + 2) + 2 : text.indexOf('\n', start) + 1;
  if (end <= start + 1) throw new Error('the answer ends within a comment');
  return end;
}
