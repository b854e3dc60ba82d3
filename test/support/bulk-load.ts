import type { Side } from './replication-world.ts';

const BATCH = 2_000;

/** Bytes in a second at which some 3,500 of these documents are read. */
export const SLOW_READING_BYTES = 1_000_000;

/** Adds documents `doc-0`, `doc-1`, ... of a few hundred bytes; each takes one sequence number. */
export async function loadDocuments(side: Side, index: string, documents: number): Promise<void> {
  const path = `/${encodeURIComponent(index)}/_bulk?filter_path=errors`;
  for (let from = 0; from < documents; from += BATCH) {
    const lines = Array.from({ length: Math.min(BATCH, documents - from) }, (_, at) => {
      const number = from + at;
      const source = {
        number,
        name: `name of ${number}`,
        text: `${'words and more words '.repeat(1 + (number % 9))}${number}`,
      };
      return `{"index":{"_id":"doc-${number}"}}\n${JSON.stringify(source)}\n`;
    });
    const { errors } = await side.ok('POST', path, lines.join(''));
    if (errors !== false) throw new Error(`documents from ${from} on were refused`);
  }
}

export async function createIndex(side: Side, index: string, body: object = {}): Promise<void> {
  const settings = { number_of_shards: 2, number_of_replicas: 0 };
  await side.ok('PUT', `/${encodeURIComponent(index)}`, {
    ...body,
    settings: { ...settings, ...('settings' in body ? (body.settings as object) : {}) },
  });
}
