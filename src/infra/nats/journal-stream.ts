import {
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { failed } from '../../domain/failure.ts';
import { isStreamMissing, natsFailure } from './nats-failure.ts';

export const DEFAULT_STREAM = 'SLIPSTREAM_JOURNAL';
export const DEFAULT_JOURNAL_PREFIX = 'slipstream.journal';

/** Metadata of the stream: it travels with the stream's backups and its replicas. */
const ID_KEY = 'slipstream_journal_id';
const OTHER_CONFIGURATION = 10058;

export interface JournalStreamOptions {
  readonly stream: string;
  readonly prefix: string;
}

/** Gives the journal's id, or undefined when there is no such stream. */
export async function findJournal(jsm: JetStreamManager, options: JournalStreamOptions): Promise<string | undefined> {
  try {
    const info = await jsm.streams.info(options.stream);
    return journalIdOf(info.config, options);
  } catch (error) {
    if (isStreamMissing(error)) return undefined;
    throw natsFailure(error, { op: 'open journal' });
  }
}

/**
 * Creates the stream when it is missing. The id is part of the configuration, so when two processes create it at once the server
 * refuses the second, which then finds the first one's id. Nothing ever drops an event by itself: no age, count or size limit, and a
 * stream that an operator has limited in size refuses new events instead of dropping old ones.
 */
export async function createJournal(
  jsm: JetStreamManager,
  options: JournalStreamOptions & { readonly replicas: number; readonly newId: () => string },
): Promise<string> {
  const existing = await findJournal(jsm, options);
  if (existing !== undefined) return existing;
  try {
    await jsm.streams.add({
      name: options.stream,
      description: 'Journal of Slipstream: every decision and fact of its replications. Do not limit its age.',
      subjects: [`${options.prefix}.>`],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.New,
      num_replicas: options.replicas,
      metadata: { [ID_KEY]: options.newId() },
    });
  } catch (error) {
    if (!(error instanceof JetStreamApiError)) throw natsFailure(error, { op: 'create journal' });
    if (error.code !== OTHER_CONFIGURATION) throw natsFailure(error, { op: `create journal stream ${options.stream}` });
  }
  const id = await findJournal(jsm, options);
  if (id === undefined)
    throw failed('journal_unreachable', {
      op: 'create journal',
      reason: `stream ${options.stream} vanished right after its creation`,
    });
  return id;
}

function journalIdOf(config: StreamConfig, options: JournalStreamOptions): string {
  const faults = [
    config.subjects.length !== 1 || config.subjects[0] !== `${options.prefix}.>`
      ? `its subjects are ${config.subjects.join(', ')} instead of ${options.prefix}.>`
      : undefined,
    config.retention !== RetentionPolicy.Limits ? `its retention is ${config.retention} instead of limits` : undefined,
    config.discard !== DiscardPolicy.New ? 'it drops old events when full (discard must be new)' : undefined,
    config.max_age !== 0 ? 'it drops events by age (max_age must be 0)' : undefined,
    config.max_msgs_per_subject > 0 ? 'it drops events by count (max_msgs_per_subject must be -1)' : undefined,
  ].filter((fault) => fault !== undefined);
  const id = config.metadata?.[ID_KEY];
  if (id === undefined) faults.unshift(`it carries no ${ID_KEY} in its metadata`);
  if (id === undefined || faults.length > 0) {
    throw failed('invalid_config', {
      op: 'open journal',
      reason: `stream ${options.stream} exists and is no journal of Slipstream: ${faults.join('; ')}`,
      hint: 'Name another stream in the configuration, or correct this one; nothing was changed.',
    });
  }
  return id;
}
