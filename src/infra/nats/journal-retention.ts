import { setTimeout as sleep } from 'node:timers/promises';
import { failed } from '../../domain/failure.ts';
import type { Retention } from '../../ports/event-log.ts';
import { readMessages, seqAtTime, type JournalSource } from './journal-reader.ts';
import { abortable, natsFailure } from './nats-failure.ts';

/**
 * Removes history by subject and sequence: what is older than the age, and of each subject what exceeds the number of events. Every
 * removal ends below the sequence that was the newest of its subject when the round began, so whatever is appended meanwhile, or cuts
 * the round off, each subject keeps its newest event. The age is counted by the server's clock alone.
 */
export async function purgeHistory(
  source: JournalSource,
  prefix: string,
  retention: Retention,
  signal: AbortSignal,
): Promise<number> {
  const { jsm, stream } = source;
  const op = 'purge journal';
  try {
    const info = await abortable(jsm.streams.info(stream, { subjects_filter: `${prefix}.>` }), signal);
    const crowded = new Map(Object.entries(info.state.subjects ?? {}).filter(([, events]) => events > 1));
    if (crowded.size === 0) return 0;
    const oldBefore = await seqAtTime(source, `${prefix}.>`, serverTimeMs(info.ts) - retention.ageMs, signal);
    const nothingIsOld = info.state.first_seq >= oldBefore;
    let purged = 0;
    for (const [subject, newest] of await newestSeqs(source, prefix, signal)) {
      const events = crowded.get(subject) ?? 0;
      const limits = [
        ...(nothingIsOld || events < 2 ? [] : [{ seq: Math.min(oldBefore, newest) }]),
        ...(events > retention.events ? [{ keep: retention.events }] : []),
      ];
      for (const limit of limits) {
        const done = await abortable(jsm.streams.purge(stream, { filter: subject, ...limit }), signal);
        purged += done.purged;
        await sleep(retention.pauseMs, undefined, { signal });
      }
    }
    return purged;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw natsFailure(error, { op });
  }
}

async function newestSeqs(
  source: JournalSource,
  prefix: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const seqs = new Map<string, number>();
  const range = { filter: `${prefix}.>`, fromSeq: 1, newestPerSubject: true, follow: false };
  for await (const { subject, seq } of readMessages(source, range, signal)) seqs.set(subject, seq);
  return seqs;
}

function serverTimeMs(ts: string | undefined): number {
  if (ts !== undefined) return Date.parse(ts);
  throw failed('journal_unreachable', { op: 'purge journal', reason: 'the NATS server does not tell its time' });
}
