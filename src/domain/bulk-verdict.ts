import type { BulkItem } from './wire/bulk-answer.ts';

/**
 * What one item of a bulk answer means.
 *
 * - written    it took exactly one sequence number on the follower
 * - absent     a delete found nothing; it took a sequence number all the same
 * - conflict   the follower's document is newer: never normal with `external_gte`
 * - busy       rejected before it ran; send it again
 * - unsure     may or may not have run
 * - rejected   refused for what it is; sending it again cannot help
 * - blocked    the index or cluster takes no writes now
 * - gone       the index is not there
 * - forbidden  credentials or privileges are missing
 * - too-large  the follower cannot take a document of this size
 */
export type BulkVerdict =
  | 'written'
  | 'absent'
  | 'conflict'
  | 'busy'
  | 'unsure'
  | 'rejected'
  | 'blocked'
  | 'gone'
  | 'forbidden'
  | 'too-large';

export function bulkVerdict(item: BulkItem): BulkVerdict {
  const { status, result, errorType } = item;
  if (result === 'not_found') return 'absent';
  if (status >= 200 && status < 300) return 'written';
  if (status === 409) return 'conflict';
  // The flood stage of the disk is a 429 that no patience of a writer ends.
  if (errorType === 'cluster_block_exception' && status < 500) return 'blocked';
  if (status === 429) return 'busy';
  if (status === 413) return 'too-large';
  // A shard that is not there yet or any more refuses before it runs anything, but the answer does not prove it.
  if (status >= 500) return 'unsure';
  if (errorType === 'index_closed_exception') return 'blocked';
  if (errorType === 'index_not_found_exception') return 'gone';
  if (status === 401 || errorType === 'security_exception') return 'forbidden';
  return 'rejected';
}

/** The server's reason without the id and without the quoted field value that some reasons carry. */
export function reasonWithoutContent(item: BulkItem): string {
  const reason = (item.errorReason ?? '')
    // All that follows: an id may hold quotes and dots itself.
    .replace(/ in document with id '.*/s, '')
    .replace(/Preview of field's value: .*/s, '')
    .replace(/For input string: .*/s, '')
    .replace(/The prefix of the first immense term is: .*/s, '')
    .replace(/(?<=Numeric value )\(.*?\)/s, '(content left out)')
    .trim();
  return `${item.errorType ?? 'no type given'}: ${reason === '' ? 'no reason given' : reason}`.slice(0, 500);
}
