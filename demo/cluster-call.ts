/** A plain request to a cluster: the demo's load is an application's, not the replication's. */
export interface ClusterAddress {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export async function callCluster(
  { url, headers }: ClusterAddress,
  request: { method: string; path: string; body?: string | Uint8Array<ArrayBuffer> },
  signal?: AbortSignal,
): Promise<string> {
  const { method, path, body } = request;
  const contentType = typeof body === 'string' ? 'application/json' : 'application/x-ndjson';
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': contentType }) },
    ...(body === undefined ? {} : { body }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`${method} ${path.split('?')[0]} at ${url}: HTTP ${response.status} ${text.slice(0, 300)}`);
  return text;
}
