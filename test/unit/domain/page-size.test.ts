import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { expectedBytes, FIRST_PAGE_DOCUMENTS, firstPage, nextPage } from '../../../src/domain/page-size.ts';

const limits = { documentsMax: 5000, bytesTarget: 1_000_000 };

test('pages of small documents grow fourfold until they are full', () => {
  let sizing = firstPage(limits);
  const sizes = [sizing.documents];
  for (let page = 0; page < 5; page += 1) {
    sizing = nextPage(sizing, { documents: sizing.documents, bytes: sizing.documents * 100 }, limits);
    sizes.push(sizing.documents);
  }
  assert.deepEqual(sizes, [4, 16, 64, 256, 1024, 4096]);
});

test('one page of large documents is enough to shrink the next, and small ones let it grow slowly', () => {
  const large = nextPage({ documents: 4096, bytesEach: 100 }, { documents: 10, bytes: 1_000_000 }, limits);
  assert.equal(large.documents, 10);
  const after = nextPage(large, { documents: 10, bytes: 1000 }, limits);
  assert.equal(after.documents, 13);
});

test('an empty page says nothing', () => {
  const sizing = { documents: 64, bytesEach: 7 };
  assert.equal(nextPage(sizing, { documents: 0, bytes: 90 }, limits), sizing);
});

test('whatever documents weigh, a page holds at least one and never more than is allowed', () => {
  const seen = fc.record({
    documents: fc.integer({ min: 1, max: 10_000 }),
    bytes: fc.integer({ min: 1, max: 2 ** 31 }),
  });
  const bounds = fc.record({
    documentsMax: fc.integer({ min: 1, max: 10_000 }),
    bytesTarget: fc.integer({ min: 1, max: 2 ** 25 }),
  });
  fc.assert(
    fc.property(fc.array(seen, { maxLength: 20 }), bounds, (pages, bound) => {
      let sizing = firstPage(bound);
      assert.ok(sizing.documents <= FIRST_PAGE_DOCUMENTS);
      for (const page of pages) {
        const next = nextPage(sizing, page, bound);
        assert.ok(Number.isInteger(next.documents) && next.documents >= 1 && next.documents <= bound.documentsMax);
        assert.ok(next.documents <= sizing.documents * 4);
        assert.ok(next.documents === 1 || next.documents * (next.bytesEach ?? 0) <= bound.bytesTarget);
        assert.ok(expectedBytes(next) > 0);
        sizing = next;
      }
    }),
  );
});
