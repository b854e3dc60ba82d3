/** Plain requests to a cluster, without a time limit: a `_reindex` answers when it is done. */
import { Agent, request } from 'node:http';

export interface Cluster {
  readonly url: string;
  /** A string is sent as JSON, bytes as lines of a bulk. Throws for every answer but 2xx. */
  call(method: string, path: string, body?: string | Uint8Array): Promise<Buffer>;
  json<T>(method: string, path: string, body?: object): Promise<T>;
}

export const TEMPORARY_SETTINGS = { refresh_interval: '-1', translog: { durability: 'async' } };
const USUAL_SETTINGS = '{"index":{"refresh_interval":null,"translog.durability":null}}';
const ERROR_CHARACTERS = 500;

export function openCluster(url: string, connections = 16): Cluster {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const call: Cluster['call'] = (method, path, body) =>
    new Promise((resolve, reject) => {
      const type = typeof body === 'string' ? 'application/json' : 'application/x-ndjson';
      const headers =
        body === undefined ? {} : { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) };
      const sent = request(`${url}${path}`, { method, agent, headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const all = Buffer.concat(chunks);
          const { statusCode = 0 } = answer;
          if (statusCode >= 200 && statusCode < 300) resolve(all);
          else
            reject(
              new Error(
                `${method} ${path.split('?')[0]} at ${url}: HTTP ${statusCode} ${all.toString().slice(0, ERROR_CHARACTERS)}`,
              ),
            );
        });
      });
      sent.on('error', (cause) => reject(new Error(`${method} ${path.split('?')[0]} at ${url}`, { cause })));
      sent.end(body);
    });
  return {
    url,
    call,
    json: async <T>(method: string, path: string, body?: object) =>
      JSON.parse((await call(method, path, body && JSON.stringify(body))).toString()) as T,
  };
}

/** One shard, no replicas, as all contestants have it. */
export async function createIndex(
  cluster: Cluster,
  index: string,
  { mappings, temporary }: { mappings: object; temporary: boolean },
): Promise<void> {
  const settings = { number_of_shards: 1, number_of_replicas: 0, ...(temporary && TEMPORARY_SETTINGS) };
  await cluster.json('PUT', `/${index}`, { settings, mappings });
}

export async function restoreSettings(cluster: Cluster, index: string): Promise<void> {
  await cluster.call('PUT', `/${index}/_settings`, USUAL_SETTINGS);
}

/** The state that a copy has to end in: searchable, on the disk, and complete. Throws for another number of documents. */
export async function finishIndex(cluster: Cluster, index: string, documents: number): Promise<void> {
  await cluster.call('POST', `/${index}/_refresh`);
  await cluster.call('POST', `/${index}/_flush`);
  await expectCount(cluster, index, documents);
}

export async function expectCount(cluster: Cluster, index: string, documents: number): Promise<void> {
  const { count } = await cluster.json<{ count: number }>('GET', `/${index}/_count`);
  if (count !== documents) throw new Error(`${cluster.url}/${index} holds ${count} documents, expected ${documents}`);
}

/** Sends every body, so many at a time. Throws when one operation of them is refused. */
export async function sendBodies(
  cluster: Cluster,
  index: string,
  { bodies, connections }: { bodies: Iterable<Uint8Array>; connections: number },
): Promise<void> {
  const queue = bodies[Symbol.iterator]();
  const send = async (): Promise<void> => {
    for (let next = queue.next(); !next.done; next = queue.next()) await sendBulk(cluster, index, next.value);
  };
  await Promise.all(Array.from({ length: connections }, send));
}

export async function sendBulk(cluster: Cluster, index: string, body: Uint8Array): Promise<void> {
  const answer = await cluster.call('POST', `/${index}/_bulk?filter_path=errors,items.*.error.reason`, body);
  if (answer.toString('latin1') !== '{"errors":false}')
    throw new Error(`operations were refused: ${answer.toString().slice(0, ERROR_CHARACTERS)}`);
}
