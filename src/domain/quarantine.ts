import type { VersionScheme } from './version.ts';
import { versionOf } from './version.ts';

/** Why the follower refuses a document for ever. */
export type RefusalCode = 'document_rejected' | 'too_large_for_follower';

/** A leader document that the follower refuses for what it is: passed over, remembered, and part of the counting equation. */
export interface QuarantinedDocument {
  readonly id: string;
  readonly routing: string | undefined;
  /** The leader operation that was refused; it names the document's present state on the leader. */
  readonly seqNo: number;
  readonly code: RefusalCode;
  /** In the follower's words, without content. */
  readonly reason: string;
  /** Version of the older copy that stays on the follower; undefined: the follower has no copy. */
  readonly copyVersion: number | undefined;
  readonly firstRefusedAtMs: number;
  readonly refusedAtMs: number;
  /** How often it was refused. */
  readonly refusals: number;
}

/** Below this many, a shard's quarantine is never too large for its share: small indices would stop at every other document. */
const SHARE_FLOOR = 100;
/** When more of a shard than this is refused, something is wrong with more than single documents. */
const SHARE_MAX = 0.5;

/** How many documents of a shard with about `documents` may be in quarantine. */
export function quarantineLimit(documentsMax: number, documents: number): number {
  return Math.min(documentsMax, Math.max(SHARE_FLOOR, Math.floor(documents * SHARE_MAX)));
}

/** The version that the follower's copy would carry if it had been taken. */
export function refusedVersion({ seqNo }: QuarantinedDocument, scheme: VersionScheme, shard: number): number {
  return versionOf(scheme, seqNo, shard);
}
