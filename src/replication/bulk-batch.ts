import type { RefusalCode } from '../domain/quarantine.ts';
import type { BufferPool } from '../domain/wire/buffer-pool.ts';
import { BulkBody, bulkIndexSizeBytes } from '../domain/wire/bulk-body.ts';
import type { SearchPage, WireHit } from '../domain/wire/search-page.ts';

/** A delete, with the version that no late copy of an older write can pass. */
export interface DeleteLine {
  readonly id: string;
  readonly routing: string | undefined;
  readonly version: number;
  /** Deletes what this operation of the follower wrote, and nothing newer, whatever its version. */
  readonly exactly?: { readonly seqNo: number; readonly primaryTerm: number } | undefined;
}

/** Why one operation was refused for what it is: sending it again cannot help. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly status: number;
  /** In the server's words, without content. */
  readonly reason: string;
}

export interface HitEvents {
  readonly versionOfHit: (hit: WireHit) => number;
  /** The follower has acknowledged it. */
  readonly written: (hit: WireHit) => void;
}

/** The body of one bulk request. */
export interface Batch {
  readonly operations: number;
  readonly body: Uint8Array;
  /** Rebuilds the body with only these operations. */
  readonly pick: (positions: readonly number[]) => Batch;
  readonly describe: (position: number) => string;
  /** Told as it becomes known, whatever becomes of the rest. */
  readonly written: (position: number) => void;
  /** Whether the refusal of one operation is the caller's to judge; else it is thrown. */
  readonly mayBeRefused: boolean;
  /** The one of these operations that takes most bytes. */
  readonly largestOf: (positions: readonly number[]) => number;
}

export interface HitBatch {
  readonly page: SearchPage;
  readonly hits: readonly WireHit[];
  readonly on: HitEvents;
  /** Where the body's memory comes from. */
  readonly buffers: BufferPool;
}

export function hitBatch({ page, hits, on, buffers }: HitBatch): Batch {
  const sizeBytes = hits.reduce((sum, hit) => sum + bulkIndexSizeBytes(hit), 0);
  const body = new BulkBody(sizeBytes, buffers.take(sizeBytes));
  for (const hit of hits) body.addIndex(page, hit, on.versionOfHit(hit));
  return {
    operations: hits.length,
    body: body.bytes(),
    pick: (positions) => hitBatch({ page, hits: chosen(hits, positions), on, buffers }),
    describe: (position) => `the document at leader seq_no ${hits[position]?.seqNo ?? '?'}`,
    written: (position) => {
      const hit = hits[position];
      if (hit !== undefined) on.written(hit);
    },
    mayBeRefused: true,
    largestOf: (positions) =>
      positions.reduce((most, at) => (sizeOf(hits[at]) > sizeOf(hits[most]) ? at : most), positions[0] ?? 0),
  };
}

export function deleteBatch(lines: readonly DeleteLine[], written: (line: DeleteLine) => void): Batch {
  const body = new BulkBody(lines.length * 128);
  for (const { id, routing, version, exactly } of lines) {
    if (exactly === undefined) body.addDelete(id, routing, version);
    else body.addExactDelete(id, routing, exactly);
  }
  return {
    operations: lines.length,
    body: body.bytes(),
    pick: (positions) => deleteBatch(chosen(lines, positions), written),
    describe: () => 'a delete',
    written: (position) => {
      const line = lines[position];
      if (line !== undefined) written(line);
    },
    mayBeRefused: false,
    largestOf: () => 0,
  };
}

export function chosen<T>(all: readonly T[], positions: readonly number[]): readonly T[] {
  return positions.flatMap((position) => all[position] ?? []);
}

function sizeOf(hit: WireHit | undefined): number {
  return hit === undefined ? 0 : bulkIndexSizeBytes(hit);
}
