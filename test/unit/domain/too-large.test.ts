import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { classifyAnswer } from '../../../src/infra/search/classify.ts';
import { type RefusedAlone, tooLargeAlone, tooLargeText } from '../../../src/domain/too-large.ts';
import { scanBulkAnswer } from '../../../src/domain/wire/bulk-answer.ts';

/** An answer of Elasticsearch 9.4.3 as it came, as the writer sees it: an item, or the failure of the whole request. */
function refusal(name: string, bodyBytes: number): RefusedAlone {
  const file = new URL(`../../fixtures/responses/${name}.json`, import.meta.url);
  const { status, body } = JSON.parse(readFileSync(file, 'utf8')) as { status: number; body: unknown };
  const bytes = new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
  if (status !== 200) {
    const context = { op: 'bulk', cluster: 'c', effect: 'write', refusedAs: undefined } as const;
    const { failure } = classifyAnswer(context, { status, body: bytes, retryAfter: undefined });
    return { status, reason: failure.reason, bodyBytes };
  }
  const [item] = scanBulkAnswer(bytes, 1);
  return { status: item?.status ?? 0, reason: item?.errorReason ?? '', bodyBytes };
}

describe('a document that was refused alone', () => {
  it('is too large when its charge alone is above the limit of indexing pressure', () => {
    assert.deepEqual(tooLargeAlone(refusal('bulk-alone-primary-above', 27_263_050)), {
      setting: 'indexing_pressure.memory.limit',
      neededBytes: 27_263_184 + 109_051_936,
      limitBytes: 53_687_091,
    });
    assert.deepEqual(tooLargeAlone(refusal('bulk-alone-coordinating', 57_671_754)), {
      setting: 'indexing_pressure.memory.limit',
      neededBytes: 57_671_888,
      limitBytes: 53_687_091,
    });
  });

  it('is too large when its charge and its own request are above the limit and nothing else was charged', () => {
    assert.deepEqual(tooLargeAlone(refusal('bulk-alone-primary-with-itself', 10_747_978)), {
      setting: 'indexing_pressure.memory.limit',
      neededBytes: 10_748_112 + 42_991_648,
      limitBytes: 53_687_091,
    });
  });

  it('is too large for the size of one operation, and for the length of a request', () => {
    assert.deepEqual(tooLargeAlone(refusal('bulk-alone-operation-size', 54_526_026)), {
      setting: 'indexing_pressure.memory.max_operation_size',
      neededBytes: 54_526_184,
      limitBytes: 53_687_091,
    });
    const byLength = tooLargeAlone(refusal('bulk-alone-content-length', 32_505_930));
    assert.equal(byLength?.setting, 'http.max_content_length');
    assert.equal(byLength?.neededBytes, 32_505_930);
  });

  it('is not too large when others were in the books, when the heap was full, or for any other reason', () => {
    assert.equal(tooLargeAlone(refusal('bulk-in-company', 9_437_258)), undefined);
    assert.equal(tooLargeAlone(refusal('bulk-circuit-breaker', 1122)), undefined);
    assert.equal(tooLargeAlone(refusal('bulk-rejected', 10_160)), undefined);
    assert.equal(tooLargeAlone({ ...refusal('bulk-alone-primary-above', 27_263_050), status: 400 }), undefined);
    assert.equal(tooLargeAlone({ status: 429, reason: '', bodyBytes: 1 }), undefined);
  });

  it('is told with the setting, its limit and what is needed', () => {
    const refused = tooLargeAlone(refusal('bulk-alone-primary-with-itself', 10_747_978));
    assert.equal(
      refused && tooLargeText(refused),
      "above the follower's indexing_pressure.memory.limit of 53687091 bytes; the document needs 53739760 bytes of it",
    );
  });
});
