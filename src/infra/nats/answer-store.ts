import {
  DiscardPolicy,
  JetStreamApiError,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import { subjectToken } from '../../domain/names.ts';
import type { AnswerStore } from '../../ports/answer-store.ts';
import { isStreamMissing, natsFailure } from './nats-failure.ts';

export interface AnswerStoreOptions {
  /** That of the journal; the answers stand in a stream of their own beside it. */
  readonly stream: string;
  /** Of the subjects: `<prefix>.<command id>.claim` and `<prefix>.<command id>.<page>`. */
  readonly prefix: string;
  readonly replicas?: number | undefined;
  readonly requestTimeoutMs?: number | undefined;
  /** Makes a text that nobody else makes. */
  readonly newId: () => string;
}

/** An id means the same command for so long, unless the room runs out before. */
const KEPT_NS = 24 * 3_600_000_000_000;
const KEPT_BYTES = 64 * 1024 * 1024;
const WRONG_LAST_SEQUENCE = 10071;
const TRIES = 3;

const claimed = z.object({ command: z.string(), by: z.string() });

export function answersStream(journalStream: string): string {
  return `${journalStream}_ANSWERS`;
}

/** Opens the store, creating its stream when it is missing. Unlike the journal it forgets: by age, and by size. */
export async function openAnswerStore(nc: NatsConnection, options: AnswerStoreOptions): Promise<AnswerStore> {
  const { prefix, newId } = options;
  const timeout = options.requestTimeoutMs ?? 5_000;
  const stream = answersStream(options.stream);
  const told = <T>(op: string, work: Promise<T>): Promise<T> =>
    work.catch((thrown: unknown) => {
      throw natsFailure(thrown, { op });
    });
  const jsm = await told('open answers', jetstreamManager(nc, { timeout }));
  const js = jetstream(nc, { timeout });
  await told('open answers', create(jsm, { stream, prefix, replicas: options.replicas ?? 1 }));
  const subject = (id: string, part: string): string => `${prefix}.${subjectToken(id)}.${part}`;
  const stored = (name: string) => jsm.streams.getMessage(stream, { last_by_subj: name });

  return {
    async claim(id, command) {
      const op = 'claim command id';
      const name = subject(id, 'claim');
      const by = newId();
      for (let tries = 1; ; tries += 1) {
        try {
          await js.publish(name, JSON.stringify({ command, by }), { expect: { lastSubjectSequence: 0 } });
        } catch (thrown) {
          const refused = thrown instanceof JetStreamApiError && thrown.code === WRONG_LAST_SEQUENCE;
          if (!refused && tries === TRIES) throw natsFailure(thrown, { op });
        }
        // Whatever was answered, what stands there decides.
        const message = await told(op, stored(name));
        if (message !== null) {
          const claim = claimed.parse(message.json());
          return { first: claim.by === by, command: claim.command, claimedAtMs: message.time.getTime() };
        }
        if (tries === TRIES) throw failed('journal_unreachable', { op, reason: 'the claim was not stored' });
      }
    },
    async keep(id, firstPage, pages) {
      // The first page last: whoever finds it finds all of them.
      for (const [at, text] of [...pages.entries()].toReversed())
        await told('keep answer', js.publish(subject(id, String(firstPage + at)), text));
    },
    async page(id, page) {
      const message = await told('read answer', stored(subject(id, String(page))));
      return message?.string();
    },
  };
}

async function create(
  jsm: JetStreamManager,
  { stream, prefix, replicas }: { stream: string; prefix: string; replicas: number },
): Promise<void> {
  try {
    await jsm.streams.info(stream);
  } catch (thrown) {
    if (!isStreamMissing(thrown)) throw thrown;
    await jsm.streams.add({
      name: stream,
      description: 'Answers to commands of Slipstream, by command id, so that a repeated command gets the first one.',
      subjects: [`${prefix}.>`],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_age: KEPT_NS,
      max_bytes: KEPT_BYTES,
      max_msgs_per_subject: 1,
      num_replicas: replicas,
    });
  }
}
