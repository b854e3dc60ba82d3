import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type FailureCode } from '../../../src/domain/failure.ts';
import { classifyAnswer, classifyPart, classifyThrown, withoutContent } from '../../../src/infra/search/classify.ts';

/** Answers of Elasticsearch 9.4.3 as they came, each provoked on purpose. */
const folder = new URL('../../fixtures/responses/', import.meta.url);

interface Recorded {
  readonly request: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

function recorded(name: string): Recorded {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Recorded;
}

interface Case {
  readonly code: FailureCode;
  readonly reason: RegExp;
  readonly refusedAs?: FailureCode;
}

const cases: Readonly<Record<string, Case>> = {
  'aliases-index-missing': { code: 'index_deleted', reason: /no such index \[rec-missing\]/ },
  'bulk-alone-content-length': { code: 'too_large_for_follower', reason: /^HTTP 413/ },
  'bulk-alone-coordinating': { code: 'cluster_busy', reason: /^es_rejected_execution_exception: rejected execution/ },
  'bulk-circuit-breaker': { code: 'cluster_busy', reason: /^circuit_breaking_exception: \[parent\] Data too large/ },
  'bulk-malformed': { code: 'unexpected_answer', reason: /^illegal_argument_exception: Malformed action/ },
  'bulk-rejected': { code: 'cluster_busy', reason: /^es_rejected_execution_exception: rejected execution/ },
  'bulk-unreadable-token': { code: 'unexpected_answer', reason: /^x_content_parse_exception: .*Unrecognized token/ },
  'circuit-breaker': { code: 'cluster_busy', reason: /^circuit_breaking_exception: \[request\] Data too large/ },
  'cluster-read-only': { code: 'blocked', reason: /cluster read-only/ },
  'create-exists': { code: 'follower_exists', reason: /already exists/, refusedAs: 'settings_rejected' },
  'create-illegal-name': { code: 'settings_rejected', reason: /Invalid index name/, refusedAs: 'settings_rejected' },
  'create-shard-limit': { code: 'blocked', reason: /maximum normal shards open/, refusedAs: 'settings_rejected' },
  'create-unknown-field-type': { code: 'mapping_conflict', reason: /zzz/, refusedAs: 'settings_rejected' },
  'create-unknown-tokenizer': {
    code: 'settings_rejected',
    reason: /tokenizer under name \[nope\]/,
    refusedAs: 'settings_rejected',
  },
  'document-date-refused': {
    code: 'mapping_conflict',
    reason: /^document_parsing_exception: .*failed to parse field \[d\]/,
  },
  'document-no-active-shard': { code: 'shard_unavailable', reason: /primary shard is not active/ },
  'document-strict-mapping': { code: 'mapping_conflict', reason: /^strict_dynamic_mapping_exception: .*\[other\]/ },
  'document-value-refused': {
    code: 'mapping_conflict',
    reason: /^document_parsing_exception: .*failed to parse field \[n\]/,
  },
  'document-version-conflict': { code: 'unexpected_answer', reason: /^version_conflict_engine_exception: / },
  'health-timed-out': { code: 'request_timeout', reason: /^HTTP 408/ },
  'no-handler': { code: 'unexpected_answer', reason: /^no handler found/ },
  'pipeline-unknown-processor': {
    code: 'settings_rejected',
    reason: /No processor type exists/,
    refusedAs: 'settings_rejected',
  },
  'privilege-missing': {
    code: 'forbidden',
    reason: /is unauthorized for user \[plain\] .* granted by the index privileges \[read,all\]/,
  },
  'put-mapping-conflict': {
    code: 'mapping_conflict',
    reason: /cannot be changed from type \[long\] to \[text\]/,
    refusedAs: 'mapping_conflict',
  },
  'put-mapping-unknown-type': { code: 'mapping_conflict', reason: /nosuchtype/, refusedAs: 'mapping_conflict' },
  'put-settings-static': { code: 'settings_rejected', reason: /non dynamic setting/, refusedAs: 'settings_rejected' },
  'put-settings-unknown': {
    code: 'settings_rejected',
    reason: /unknown setting \[index.nosuch\]/,
    refusedAs: 'settings_rejected',
  },
  'search-copy-not-on-node': { code: 'leader_moved_primary', reason: /no data nodes with criteria/ },
  'search-document-utf16': { code: 'document_unreadable', reason: /^not_x_content_exception: / },
  'search-index-blocked': { code: 'blocked', reason: /FORBIDDEN\/7\/index read/ },
  'search-index-closed': { code: 'index_closed', reason: /^index_closed_exception: closed/ },
  'search-index-missing': {
    code: 'index_deleted',
    reason: /^index_not_found_exception: no such index \[rec-missing\]$/,
  },
  'search-no-active-shard': { code: 'shard_unavailable', reason: /missing shards/ },
  'search-result-window': { code: 'unexpected_answer', reason: /Result window is too large/ },
  'search-timed-out': { code: 'request_timeout', reason: /^search_timeout_exception: Time exceeded/ },
  'search-too-many-buckets': { code: 'unexpected_answer', reason: /^too_many_buckets_exception: / },
  'search-unknown-query': { code: 'unexpected_answer', reason: /^parsing_exception: unknown query \[nosuch\]/ },
  'search-view-expired': { code: 'view_expired', reason: /^search_context_missing_exception: / },
  'too-large': { code: 'too_large_for_follower', reason: /^HTTP 413/ },
  'view-no-active-shard': { code: 'shard_unavailable', reason: /missing shards/ },
  'wrong-method': { code: 'unexpected_answer', reason: /^Incorrect HTTP method/ },
  'wrong-password': { code: 'unauthorized', reason: /unable to authenticate user \[elastic\]/ },
};

function classified(name: string, effect: 'read' | 'write' = 'read'): ReturnType<typeof classifyAnswer> {
  const { status, headers, body } = recorded(name);
  const bytes = new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
  const context = { op: 'test', cluster: 'c', effect, refusedAs: cases[name]?.refusedAs };
  return classifyAnswer(context, { status, body: bytes, retryAfter: headers['retry-after'] });
}

describe('classification of recorded answers', () => {
  for (const [name, { code, reason }] of Object.entries(cases)) {
    it(`${name} is ${code}`, () => {
      const { failure } = classified(name);
      assert.equal(failure.code, code);
      assert.match(failure.reason, reason);
      assert.ok(failure.reason.length <= 500);
      assert.equal(failure.status, recorded(name).status);
      assert.equal(failure.ambiguous, undefined);
    });
  }

  it('leaves no recorded error answer unclassified', () => {
    const otherwise = new Set(['profile-under-document-security']);
    const errors = readdirSync(folder)
      .map((file) => file.replace(/\.json$/, ''))
      .filter((name) => recorded(name).status >= 400 && !otherwise.has(name));
    assert.deepEqual(errors.toSorted(), Object.keys(cases).toSorted());
  });

  it('never quotes document content', () => {
    for (const name of ['document-value-refused', 'document-date-refused', 'bulk-unreadable-token']) {
      assert.ok(JSON.stringify(recorded(name)).includes('confidential'), `${name} quotes the value`);
      const { failure } = classified(name);
      assert.doesNotMatch(JSON.stringify(failure), /confidential|words/);
      assert.match(failure.reason, /content left out|failed to parse field/);
    }
  });

  it('knows the error of one document of a multi-get', () => {
    const codes = ['multi-get-index-closed', 'multi-get-index-missing', 'multi-get-no-active-shard'].map((name) => {
      const { docs } = recorded(name).body as { docs: readonly { error: unknown }[] };
      return classifyPart({ op: 'test', cluster: 'c', effect: 'read', refusedAs: undefined }, docs[0]?.error).failure
        .code;
    });
    assert.deepEqual(codes, ['index_closed', 'index_deleted', 'shard_unavailable']);
  });
});

describe('what a failed write proves', () => {
  it('takes only refusals by authentication and by overload as proof that nothing ran', () => {
    const proofs = Object.keys(cases).filter((name) => classified(name, 'write').failure.ambiguous !== true);
    const proving = Object.keys(cases).filter((name) => [401, 403, 429].includes(recorded(name).status));
    assert.deepEqual(proofs, proving);
    assert.ok(proofs.includes('bulk-rejected') && !proofs.includes('too-large') && !proofs.includes('bulk-malformed'));
  });

  it('takes a connection that was never made as proof, and a broken one as unknown', () => {
    const context = { op: 'test', cluster: 'c', effect: 'write', refusedAs: undefined } as const;
    const outcome = (code: string, phase: 'head' | 'body', interrupted?: string): unknown => {
      const error = Object.assign(new Error('message'), { code });
      const { failure } = classifyThrown(context, { error, phase, interrupted });
      return [failure.code, failure.ambiguous === true];
    };
    assert.deepEqual(outcome('ECONNREFUSED', 'head'), ['cluster_unreachable', false]);
    assert.deepEqual(outcome('ENOTFOUND', 'head'), ['cluster_unreachable', false]);
    assert.deepEqual(outcome('UND_ERR_CONNECT_TIMEOUT', 'head'), ['cluster_unreachable', false]);
    assert.deepEqual(outcome('DEPTH_ZERO_SELF_SIGNED_CERT', 'head'), ['cluster_unreachable', false]);
    assert.deepEqual(outcome('ECONNRESET', 'head'), ['cluster_unreachable', true]);
    assert.deepEqual(outcome('UND_ERR_SOCKET', 'head'), ['cluster_unreachable', true]);
    assert.deepEqual(outcome('UND_ERR_SOCKET', 'body'), ['answer_cut', true]);
    assert.deepEqual(outcome('UND_ERR_ABORTED', 'head', 'given up'), ['request_timeout', true]);
  });

  it('names the cause of a host with several addresses', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED ::1:1'), { code: 'ECONNREFUSED' });
    const { failure } = classifyThrown(
      { op: 'test', cluster: 'c', effect: 'write', refusedAs: undefined },
      { error: new AggregateError([refused]), phase: 'head', interrupted: undefined },
    );
    assert.deepEqual(
      [failure.code, failure.reason, failure.ambiguous],
      ['cluster_unreachable', 'connect ECONNREFUSED ::1:1', undefined],
    );
  });
});

describe('answers from something in front of the cluster', () => {
  const answer = (status: number, body: string, retryAfter?: string): ReturnType<typeof classifyAnswer>['failure'] =>
    classifyAnswer(
      { op: 'test', cluster: 'c', effect: 'read', refusedAs: undefined },
      { status, body: new TextEncoder().encode(body), retryAfter },
    ).failure;

  it('calls a gateway without a cluster behind it unreachable, and never gives an empty reason', () => {
    for (const status of [502, 503, 504])
      assert.equal(answer(status, '<html>Bad gateway</html>').code, 'cluster_unreachable');
    assert.equal(answer(502, '').reason, 'HTTP 502 without an error of the cluster');
    assert.equal(answer(302, '').code, 'unexpected_answer');
  });

  it('takes Retry-After in seconds', () => {
    assert.equal(answer(429, '', '7').retryAfterMs, 7000);
    assert.equal(answer(429, '', 'Wed, 21 Oct 2026 07:28:00 GMT').retryAfterMs, undefined);
    assert.equal(answer(429, '').retryAfterMs, undefined);
  });
});

describe('leaving out content', () => {
  it('cuts quoted values that hold quotes, line breaks and semicolons', () => {
    const reason = `failed to parse field [n] of type [long]. Preview of field's value: 'it's a\nsecret; really'`;
    assert.doesNotMatch(withoutContent(reason), /secret|really/);
    assert.doesNotMatch(withoutContent('illegal_argument_exception: For input string: "a "secret" value"'), /secret/);
  });

  it('leaves names of fields and types alone', () => {
    const reason = 'mapper [n] cannot be changed from type [long] to [text]';
    assert.equal(withoutContent(reason), reason);
  });
});
