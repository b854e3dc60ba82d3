import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import { EVENT_VERSION, type JournalEvent } from '../../domain/journal.ts';
import type { StoredEvent } from '../../ports/event-log.ts';

/** What folding relies on; everything else of an event may grow in later versions. */
const envelope = z.looseObject({
  entity: z.enum(['pair', 'index']),
  id: z.string().min(1),
  version: z.int().min(1),
  atMs: z.number(),
  cause: z.string(),
  term: z.int().min(0),
  fact: z.looseObject({ type: z.string().min(1) }),
  result: z.looseObject({ state: z.string().min(1) }),
});

export function encodeEvent(event: JournalEvent): string {
  return JSON.stringify(event);
}

/**
 * Throws `journal_corrupt` naming subject and sequence, never quoting content, and `journal_from_newer_version` for what only a newer
 * Slipstream may fold.
 */
export function decodeEvent(subject: string, seq: number, data: Uint8Array | string): StoredEvent {
  const corrupt = (why: string): Error =>
    failed('journal_corrupt', { op: 'read journal', reason: `event at sequence ${seq} of subject ${subject}: ${why}` });
  let json: unknown;
  try {
    json = JSON.parse(typeof data === 'string' ? data : new TextDecoder('utf-8', { fatal: true }).decode(data));
  } catch {
    throw corrupt('it is not JSON');
  }
  const version = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
  if (typeof version === 'number' && version > EVENT_VERSION) {
    throw failed('journal_from_newer_version', {
      op: 'read journal',
      reason: `event at sequence ${seq} of subject ${subject}: its version is ${version}, this Slipstream reads up to ${EVENT_VERSION}`,
    });
  }
  const checked = envelope.safeParse(json);
  if (!checked.success)
    throw corrupt(
      `not an event: ${checked.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`,
    );
  return { subject, seq, event: json as JournalEvent };
}
