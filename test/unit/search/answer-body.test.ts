import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { BufferPool } from '../../../src/domain/wire/buffer-pool.ts';
import { AnswerTooLarge, readBody } from '../../../src/infra/search/answer-body.ts';

const KEEP_BYTES = 16 * 1024 * 1024;

async function* inChunks(body: Uint8Array, chunkBytes: number, endsEarly = false): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += chunkBytes) yield body.subarray(at, at + chunkBytes);
  if (endsEarly) throw new Error('the connection was reset');
}

const told = { onBytes: () => undefined, maxBytes: 8 * 1024 * 1024 };
// Larger than the first buffer, and not a multiple of anything.
const answer = Uint8Array.from({ length: 1_300_007 }, (_, at) => (at * 31) % 251);

test('an answer read into memory that is used again is the same to the byte, also the second time', async () => {
  const buffers = new BufferPool(KEEP_BYTES);
  for (const chunkBytes of [65_536, 1_000_003]) {
    const body = await readBody(inChunks(answer, chunkBytes), { ...told, gzipped: false, buffers });
    assert.ok(Buffer.from(answer).equals(body));
    buffers.give(body);
  }
  const zipped = await readBody(inChunks(gzipSync(answer), 4096), { ...told, gzipped: true, buffers });
  assert.ok(Buffer.from(answer).equals(zipped));
});

test('an answer that breaks off or is too large gives its memory back', async () => {
  const buffers = new BufferPool(KEEP_BYTES);
  await assert.rejects(readBody(inChunks(answer, 65_536, true), { ...told, gzipped: false, buffers }), /reset/);
  const kept = buffers.freeBytes;
  assert.ok(kept > 0);
  await assert.rejects(
    readBody(inChunks(answer, 65_536), { ...told, maxBytes: 1000, gzipped: false, buffers }),
    AnswerTooLarge,
  );
  assert.equal(buffers.freeBytes, kept);
});
