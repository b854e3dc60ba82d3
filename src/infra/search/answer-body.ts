import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/** The whole of an answer is larger than what is kept. */
export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
}

export interface BodyOptions {
  readonly gzipped: boolean;
  /** Of the answer as it comes and as it is read. */
  readonly maxBytes: number;
  readonly onBytes: (bytes: number) => void;
}

const unzip = promisify(gunzip);

/** Resolves only with a complete body: a stream that breaks, or compressed data that ends early, rejects. */
export async function readBody(
  stream: AsyncIterable<Uint8Array>,
  { gzipped, maxBytes, onBytes }: BodyOptions,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream) {
    onBytes(chunk.length);
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw new AnswerTooLarge();
    chunks.push(chunk);
  }
  const [first] = chunks;
  const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, sizeBytes);
  if (!gzipped) return body;
  return unzip(body, { maxOutputLength: maxBytes }).catch((error: unknown) => {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw tooLarge ? new AnswerTooLarge() : error;
  });
}
