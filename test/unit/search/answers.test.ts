import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failed, type Failure, type FailureCode } from '../../../src/domain/failure.ts';
import { openCluster } from '../../../src/infra/search/open-cluster.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';
import { json, recorded, replay, type Seen, serve } from './scripted-server.ts';

const never = new AbortController().signal;
const root = { cluster_uuid: 'u', version: { number: '9.4.3' } };
const whole = { total: 1, successful: 1, skipped: 0, failed: 0 };
const hit = { _index: 'i', _id: 'a', _seq_no: 5, _primary_term: 1, _source: { n: 1 }, sort: [5] };
const page = {
  took: 1,
  timed_out: false,
  _shards: whole,
  hits: { total: { value: 1, relation: 'eq' }, max_score: null, hits: [hit] },
};
const pageRequest = { index: 'i', shard: 0, nodeId: 'n', after: -1, size: 10, countTotal: true };
const primary = { shards: [[{ shard: 0, primary: true, state: 'STARTED', node: 'n' }]] };

type Answer = (request: Seen, response: Parameters<Parameters<typeof serve>[0]>[1]) => void;

/** A cluster that answers searches with `answer`, and the lookups around them well. */
async function cluster(
  answer: Answer,
): Promise<ReturnType<typeof openCluster> & AsyncDisposable & { seen: readonly Seen[] }> {
  const server = await serve((request, response) => {
    if (request.url === '/') json(response, root);
    else if (request.url.includes('_search_shards')) json(response, primary);
    else answer(request, response);
  });
  const options = { name: 'c', url: server.url, auth: { kind: 'none' } as const, caPem: undefined, compression: false };
  const opened = openCluster({ ...options, requestTimeoutMs: 20_000, maxConnections: 4, clock: systemClock });
  return {
    ...opened,
    seen: server.seen,
    async [Symbol.asyncDispose]() {
      await opened.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const thrown: unknown = await promise.then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  );
  if (!(thrown instanceof Failed)) throw thrown;
  return thrown.failure;
}

describe('a page of a leader', () => {
  const refused: Readonly<Record<string, { answer: object; code: FailureCode }>> = {
    'timed out': { answer: { ...page, timed_out: true }, code: 'partial_answer' },
    'lacking a failed shard': {
      answer: { ...page, _shards: { ...whole, successful: 0, failed: 1 } },
      code: 'partial_answer',
    },
    'lacking a skipped shard': { answer: { ...page, _shards: { ...whole, skipped: 1 } }, code: 'partial_answer' },
    'of no shard at all': {
      answer: { ...page, _shards: { ...whole, total: 0, successful: 0 } },
      code: 'partial_answer',
    },
    'of two shards': { answer: { ...page, _shards: { ...whole, total: 2, successful: 2 } }, code: 'partial_answer' },
    'counted roughly': {
      answer: { ...page, hits: { ...page.hits, total: { value: 10_000, relation: 'gte' } } },
      code: 'partial_answer',
    },
    'not counted': { answer: { ...page, hits: { ...page.hits, total: undefined } }, code: 'partial_answer' },
    'without _source': {
      answer: { ...page, hits: { ...page.hits, hits: [{ ...hit, _source: undefined }] } },
      code: 'source_unusable',
    },
    'without sequence numbers': {
      answer: { ...page, hits: { ...page.hits, hits: [{ ...hit, _seq_no: -2 }] } },
      code: 'seq_no_unusable',
    },
    'without hits': { answer: { took: 1, timed_out: false, _shards: whole }, code: 'answer_cut' },
  };
  for (const [name, { answer, code }] of Object.entries(refused)) {
    it(`${name} is refused`, async () => {
      await using c = await cluster((_, response) => json(response, answer));
      assert.equal((await failureOf(c.leader.readPage(pageRequest, never))).code, code);
    });
  }

  it('recorded from a search that timed out, or lost a shard, inside an HTTP 200 is refused', async () => {
    for (const name of ['search-partial-timed-out', 'search-partial-failed']) {
      assert.equal(recorded(name).status, 200);
      await using c = await cluster((_, response) => replay(response, recorded(name)));
      assert.equal((await failureOf(c.leader.readPage(pageRequest, never))).code, 'partial_answer');
      assert.equal((await failureOf(c.follower.count('i', 0, never))).code, 'partial_answer');
    }
  });

  it('with a document that cannot be told from the rest is asked for again with fewer, until that one is named', async () => {
    // UTF-16, as Elasticsearch returns it.
    const garbled = JSON.stringify(page).replace('{"n":1}', '{\u0000"\u0000n\u0000"\u0000:\u00001\u0000}\u0000');
    await using c = await cluster(({ body }, response) => {
      if (body.includes('"_source":false')) json(response, { ...page, hits: { hits: [{ ...hit, _version: 1 }] } });
      else response.end(garbled);
    });
    assert.equal((await failureOf(c.leader.readPage(pageRequest, never))).code, 'answer_too_large');
    const alone = await failureOf(c.leader.readPage({ ...pageRequest, size: 1 }, never));
    assert.deepEqual([alone.code, alone.kind], ['document_unreadable', 'transient']);
    assert.match(alone.reason, /^the document at leader seq_no 5: expected /);
  });

  it('that no search can return is named too', async () => {
    await using c = await cluster(({ body }, response) => {
      if (body.includes('"_source":false')) json(response, { ...page, hits: { hits: [{ ...hit, _version: 1 }] } });
      else replay(response, recorded('search-document-utf16'));
    });
    assert.equal((await failureOf(c.leader.readPage(pageRequest, never))).code, 'answer_too_large');
    const alone = await failureOf(c.leader.readPage({ ...pageRequest, size: 1 }, never));
    assert.match(alone.reason, /^the document at leader seq_no 5: .*not_x_content_exception/);
  });

  it('that ends in the middle of a document is refused', async () => {
    const text = JSON.stringify(page);
    await using c = await cluster((_, response) => response.end(text.slice(0, text.indexOf('"n"'))));
    assert.equal((await failureOf(c.leader.readPage(pageRequest, never))).code, 'answer_cut');
  });

  it('is asked for without anything that could cut it short', async () => {
    await using c = await cluster((_, response) => json(response, page));
    const answer = await c.leader.readPage(pageRequest, never);
    assert.deepEqual([answer.total, answer.hits[0]?.seqNo], [1, 5]);
    const request = c.seen.at(-1);
    const url = new URL(request?.url ?? '', 'http://host');
    assert.equal(url.pathname, '/i/_search');
    assert.deepEqual(Object.fromEntries(url.searchParams), {
      allow_partial_search_results: 'false',
      preference: '_shards:0|_only_nodes:n',
    });
    assert.deepEqual(JSON.parse(String(request?.body)), {
      timeout: '-1',
      size: 10,
      track_total_hits: true,
      search_after: [-1],
      sort: [{ _seq_no: { order: 'asc', unmapped_type: 'long' } }],
      seq_no_primary_term: true,
      version: false,
      _source: { exclude_vectors: false },
    });
  });

  it("of a view takes over the view's newest id", async () => {
    await using c = await cluster((_, response) => json(response, { pit_id: 'newer', ...page }));
    const view = { index: 'i', shard: 0, id: 'older' };
    await c.leader.readPage({ ...pageRequest, view }, never);
    assert.equal(view.id, 'newer');
    const request = c.seen.at(-1);
    assert.equal(request?.url, '/_search?allow_partial_search_results=false');
    assert.deepEqual((JSON.parse(String(request?.body)) as { pit: unknown }).pit, { id: 'older', keep_alive: '2m' });
  });
});

describe('a bulk answer', () => {
  const bulk = { index: 'i', body: new TextEncoder().encode('{"index":{}}\n{}\n'), operations: 2 };
  const item = { index: { status: 201 } };

  it('is believed only when it is complete and speaks of every operation', async () => {
    const answers: readonly [string, boolean][] = [
      [JSON.stringify({ errors: false, items: [item, item] }), true],
      [JSON.stringify({ errors: false, items: [item] }), false],
      [JSON.stringify({ errors: false, items: [item, item] }).slice(0, -3), false],
      ['', false],
    ];
    for (const [text, good] of answers) {
      await using c = await cluster((_, response) => response.end(text));
      if (good) assert.equal((await c.follower.bulk(bulk, never)).length, 2);
      else {
        const { code, ambiguous } = await failureOf(c.follower.bulk(bulk, never));
        assert.deepEqual([code, ambiguous], ['answer_cut', true]);
      }
    }
  });

  it('of another success status than 200 is ambiguous', async () => {
    await using c = await cluster((_, response) => json(response, { errors: false, items: [item, item] }, 202));
    const { code, ambiguous } = await failureOf(c.follower.bulk(bulk, never));
    assert.deepEqual([code, ambiguous], ['unexpected_answer', true]);
  });

  it('of malformed or oversized bodies is ambiguous, of refused ones is not', async () => {
    const expected = { 'bulk-malformed': true, 'too-large': true, 'bulk-rejected': undefined };
    for (const [name, ambiguous] of Object.entries(expected)) {
      await using c = await cluster((_, response) => replay(response, recorded(name)));
      assert.equal((await failureOf(c.follower.bulk(bulk, never))).ambiguous, ambiguous);
    }
  });

  it('is asked for with pipelines off and in the small form', async () => {
    await using c = await cluster((_, response) => json(response, { errors: false, items: [item, item] }));
    await c.follower.bulk(bulk, never);
    assert.equal(
      decodeURIComponent(c.seen[0]?.url ?? ''),
      '/i/_bulk?pipeline=_none&require_alias=false&filter_path=errors,items.*.status,items.*.error',
    );
  });
});

describe('a refresh', () => {
  it('that reached no copy, or failed on one, is no refresh', async () => {
    await using none = await cluster((_, response) => replay(response, recorded('refresh-no-active-shard')));
    assert.equal((await failureOf(none.leader.refresh('i', never))).code, 'shard_unavailable');
    const failures = [{ reason: { type: 'circuit_breaking_exception', reason: 'too much' } }];
    await using some = await cluster((_, response) =>
      json(response, { _shards: { total: 2, successful: 1, failed: 1, failures } }),
    );
    assert.equal((await failureOf(some.leader.refresh('i', never))).code, 'cluster_busy');
  });
});

describe('closing a view', () => {
  it('never fails', async () => {
    await using c = await cluster((_, response) => response.destroy());
    await c.leader.closeView({ index: 'i', shard: 0, id: 'x' });
  });
});

describe('a histogram', () => {
  it('whose keys are no exact integers is refused', async () => {
    const buckets = (key: number): object => ({ values: { buckets: [{ key, doc_count: 1 }] } });
    const answer = (key: number): object => ({ ...page, hits: { ...page.hits, hits: [] }, aggregations: buckets(key) });
    const request = { index: 'i', shard: 0, field: '_seq_no', interval: 1, offset: 0, min: 0, max: 9 } as const;
    await using c = await cluster((_, response) => json(response, answer(2 ** 53)));
    assert.equal((await failureOf(c.follower.histogram(request, never))).code, 'unexpected_answer');
    await using good = await cluster((_, response) => json(response, answer(2 ** 53 - 1)));
    assert.deepEqual(await good.follower.histogram(request, never), new Map([[2 ** 53 - 1, 1]]));
  });
});

describe('buckets of another form', () => {
  it('are no histogram', async () => {
    const request = { index: 'i', shard: 0, field: '_seq_no', interval: 1, offset: 0, min: 0, max: 9 } as const;
    const good = { key: 1, doc_count: 1 };
    for (const buckets of [{ 1: good }, [good, null], [good, { key: '2', doc_count: 1 }], [good, { key: 2 }]]) {
      const answer = { ...page, hits: { ...page.hits, hits: [] }, aggregations: { values: { buckets } } };
      await using c = await cluster((_, response) => json(response, answer));
      const { code, reason } = await failureOf(c.leader.histogram(request, never));
      assert.deepEqual([code, reason], ['unexpected_answer', 'the answer has no histogram']);
    }
  });
});

describe('the view of a reader', () => {
  const mapping = { properties: { a: { type: 'long' }, b: { type: 'text', fields: { raw: { type: 'keyword' } } } } };
  const limited = { properties: { a: { type: 'long' }, b: { type: 'text' } } };
  const grant = { names: ['i*'], privileges: ['read'], allow_restricted_indices: false };
  interface Reader {
    readonly shown?: object;
    readonly privileges?: { readonly status: number; readonly body: unknown };
    readonly profile?: ReturnType<typeof recorded>;
  }

  async function viewOf({ shown = mapping, privileges, profile }: Reader): Promise<string> {
    await using c = await cluster((request, response) => {
      const { pathname } = new URL(request.url, 'http://host');
      if (pathname === '/i/_search') replay(response, profile ?? { status: 200, headers: {}, body: page });
      else if (pathname === '/i/_mapping') json(response, { i: { mappings: shown } });
      else if (pathname === '/_cluster/state/metadata/i')
        json(response, { metadata: { indices: { i: { mappings: { _doc: mapping } } } } });
      else if (privileges !== undefined) json(response, privileges.body, privileges.status);
      else replay(response, recorded('no-handler'));
    });
    return await c.admin.readerView('i', never);
  }

  it('is whole where there is no security', async () => {
    assert.equal(await viewOf({}), 'whole');
  });

  it('is recognised as limited to documents by a refused profile', async () => {
    assert.equal(await viewOf({ profile: recorded('profile-under-document-security') }), 'document_level_security');
  });

  it('is recognised as limited to fields by a mapping that lacks some', async () => {
    assert.equal(await viewOf({ shown: limited }), 'field_level_security');
  });

  it('is recognised as limited to fields by its grants, unless another grant lifts the limit', async () => {
    const of = (indices: readonly object[]): Reader => ({ privileges: { status: 200, body: { indices } } });
    const fields = { ...grant, field_security: [{ grant: ['a', 'b*'] }] };
    assert.equal(await viewOf(of([fields])), 'field_level_security');
    assert.equal(await viewOf(of([fields, grant])), 'whole');
    assert.equal(await viewOf(of([fields, { ...grant, names: ['other'] }])), 'field_level_security');
    assert.equal(await viewOf(of([{ ...fields, names: ['other*'] }, grant])), 'whole');
    assert.equal(await viewOf(of([{ ...fields, privileges: ['monitor'] }, grant])), 'whole');
    assert.equal(await viewOf(of([grant])), 'whole');
  });
});
