/**
 * Measures the byte codec on one core against JSON.parse and JSON.stringify of the same bytes.
 *
 *     node scripts/bench-wire.ts
 *
 * Two shapes: documents of about 300 bytes in pages of 5000 hits, and of about 5 KB in pages of 500. About 60 MB of distinct pages are
 * gone through several times and the fastest round counts, so that a busy machine disturbs less. MB are 10^6 bytes of
 * search answers (for the bulk answer: of bulk answers).
 */
import { scanBulkAnswer } from '../src/domain/wire/bulk-answer.ts';
import { BulkBody } from '../src/domain/wire/bulk-body.ts';
import { scanSearchPage } from '../src/domain/wire/search-page.ts';

const ROUNDS = 5;
const BYTES_PER_SHAPE = 60e6;
const BASE_VERSION = 2 ** 44;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A repeatable sequence, so that two runs measure the same bytes. */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}

const syllables = [
  'ka',
  'ber',
  'lin',
  'são ',
  'to',
  'mün',
  'chen',
  'New ',
  'vil',
  'le',
  '東',
  '京',
  'os',
  'lo',
  'Saint-',
  'grad',
  'ü',
  'ra',
  'dam',
  "l'",
];

function phrase(pick: (below: number) => number, parts: number): string {
  let text = '';
  for (let i = 0; i < parts; i++) text += syllables[pick(syllables.length)];
  return text;
}

function city(pick: (below: number) => number, id: number): Record<string, unknown> {
  return {
    id: 1_000_000_000_000 + id,
    name: phrase(pick, 2 + pick(4)),
    country: 'FR',
    featureCode: 'PPLA2',
    adminCode: String(pick(100)),
    population: pick(8_000_000),
    location: { lat: pick(18_000_000) / 1e5 - 90, lon: pick(36_000_000) / 1e5 - 180 },
    tags: ['city', phrase(pick, 2)],
    updated: '2026-11-22T01:31:00.000Z',
    elevation: pick(4000),
    active: pick(2) === 0,
    note: `record ${id} of the "gazetteer"`,
  };
}

function article(pick: (below: number) => number, id: number): Record<string, unknown> {
  const body = Array.from({ length: 60 }, () => phrase(pick, 12)).join(pick(2) === 0 ? '\n' : ' "and" ');
  return { id, title: phrase(pick, 6), body, places: Array.from({ length: 8 }, (_, i) => city(pick, id + i)) };
}

function page(hits: number, firstSeqNo: number, document: (id: number) => Record<string, unknown>): Uint8Array {
  const texts = [];
  for (let seqNo = firstSeqNo; seqNo < firstSeqNo + hits; seqNo++) {
    texts.push(
      `{"_index":"cities","_id":"doc-${seqNo}","_seq_no":${seqNo},"_primary_term":1,"_score":null,"_source":${JSON.stringify(document(seqNo))},"sort":[${seqNo}]}`,
    );
  }
  return encoder.encode(
    `{"took":3,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":1081864,"relation":"eq"},"max_score":null,"hits":[${texts.join(',')}]}}`,
  );
}

function pagesOf(
  hits: number,
  document: (pick: (below: number) => number, id: number) => Record<string, unknown>,
): Uint8Array[] {
  const pick = sequence(7);
  const pages: Uint8Array[] = [];
  for (let bytes = 0; bytes < BYTES_PER_SHAPE;) {
    const next = page(hits, pages.length * hits, (id) => document(pick, id));
    pages.push(next);
    bytes += next.length;
  }
  return pages;
}

/** Seconds of the fastest round. */
function fastest(run: () => void): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e9);
  }
  return best;
}

interface ParsedAnswer {
  hits: { hits: { _id: string; _seq_no: number; _source: unknown }[] };
}

function spliceWithJson(body: Uint8Array): Uint8Array {
  const answer = JSON.parse(decoder.decode(body)) as ParsedAnswer;
  const lines: string[] = [];
  for (const hit of answer.hits.hits) {
    lines.push(
      JSON.stringify({ index: { _id: hit._id, version: BASE_VERSION + hit._seq_no, version_type: 'external_gte' } }),
      JSON.stringify(hit._source),
    );
  }
  return encoder.encode(`${lines.join('\n')}\n`);
}

function measure(name: string, pages: readonly Uint8Array[]): void {
  const bytes = pages.reduce((sum, body) => sum + body.length, 0);
  const bulk = new BulkBody(8 << 20);
  const splice = (body: Uint8Array): Uint8Array => {
    const scanned = scanSearchPage(body);
    bulk.clear();
    for (const hit of scanned.hits) bulk.addIndex(scanned, hit, BASE_VERSION + hit.seqNo);
    return bulk.bytes();
  };
  const first = pages[0];
  if (first === undefined || decoder.decode(splice(first)) !== decoder.decode(spliceWithJson(first)))
    throw new Error('the two ways differ');
  report(
    `${name}: scan`,
    bytes,
    fastest(() => pages.forEach((body) => void scanSearchPage(body))),
  );
  const codec = fastest(() => pages.forEach((body) => void splice(body)));
  report(`${name}: scan and splice`, bytes, codec);
  const json = fastest(() => pages.forEach((body) => void spliceWithJson(body)));
  report(`${name}: JSON.parse and JSON.stringify`, bytes, json);
  process.stdout.write(`${name}: ratio ${(json / codec).toFixed(1)}\n`);
}

function report(name: string, bytes: number, seconds: number): void {
  process.stdout.write(`${name.padEnd(48)} ${(bytes / 1e6 / seconds).toFixed(0).padStart(6)} MB/s\n`);
}

function measureAnswer(): void {
  const items = 5000;
  const body = encoder.encode(
    `{"errors":false,"items":[${Array.from({ length: items }, (_, i) => `{"index":{"result":"${i % 10 === 0 ? 'updated' : 'created'}","status":${i % 10 === 0 ? 200 : 201}}}`).join(',')}]}`,
  );
  const repeat = 50;
  const codec = fastest(() => {
    for (let i = 0; i < repeat; i++) scanBulkAnswer(body, items);
  });
  const json = fastest(() => {
    for (let i = 0; i < repeat; i++) JSON.parse(decoder.decode(body));
  });
  report('bulk answer: scan', body.length * repeat, codec);
  report('bulk answer: JSON.parse', body.length * repeat, json);
  process.stdout.write(`bulk answer: ratio ${(json / codec).toFixed(1)}\n`);
}

measure('300 B documents', pagesOf(5000, city));
measure('5 KB documents', pagesOf(500, article));
measureAnswer();
