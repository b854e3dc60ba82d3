import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { BufferPool } from '../../domain/wire/buffer-pool.ts';

/** The whole of an answer is larger than what is kept. */
export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
}

export interface BodyOptions {
  readonly gzipped: boolean;
  /** Of the answer as it comes and as it is read. */
  readonly maxBytes: number;
  /** Holds the answer as it comes. */
  readonly buffers?: BufferPool | undefined;
  readonly onBytes: (bytes: number) => void;
}

const unzip = promisify(gunzip);

/** Resolves only with a complete body: a stream that breaks, or compressed data that ends early, rejects. */
export async function readBody(
  stream: AsyncIterable<Uint8Array>,
  { gzipped, maxBytes, buffers, onBytes }: BodyOptions,
): Promise<Uint8Array> {
  let receivedBytes = 0;
  const admit = (chunk: Uint8Array): void => {
    onBytes(chunk.length);
    receivedBytes += chunk.length;
    if (receivedBytes > maxBytes) throw new AnswerTooLarge();
  };
  const body = await (buffers === undefined ? concatenated(stream, admit) : collected(stream, admit, buffers));
  if (!gzipped) return body;
  try {
    return await unzip(body, { maxOutputLength: maxBytes });
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw tooLarge ? new AnswerTooLarge() : error;
  } finally {
    buffers?.give(body);
  }
}

type Chunks = AsyncIterable<Uint8Array>;
type Admit = (chunk: Uint8Array) => void;

async function concatenated(stream: Chunks, admit: Admit): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) {
    admit(chunk);
    chunks.push(chunk);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
}

const FIRST_BYTES = 256 * 1024;

async function collected(stream: Chunks, admit: Admit, buffers: BufferPool): Promise<Uint8Array> {
  let buffer = buffers.take(FIRST_BYTES);
  let sizeBytes = 0;
  try {
    for await (const chunk of stream) {
      admit(chunk);
      if (sizeBytes + chunk.length > buffer.length) {
        const larger = buffers.take(Math.max(buffer.length * 2, sizeBytes + chunk.length));
        larger.set(buffer.subarray(0, sizeBytes));
        buffers.give(buffer);
        buffer = larger;
      }
      buffer.set(chunk, sizeBytes);
      sizeBytes += chunk.length;
    }
    return buffer.subarray(0, sizeBytes);
  } catch (error) {
    buffers.give(buffer);
    throw error;
  }
}
