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

/** So long the stream remembers that a key ended, for watches that lag. */
export const MARKER_TTL_S = 600;
const OTHER_CONFIGURATION = 10058;

export interface LeaseStreamOptions {
  readonly stream: string;
  readonly prefix: string;
  readonly replicas: number;
  readonly firstSeq: number;
}

/** Creates the stream when it is missing: the newest value of each key, and the server ends keys whose time is over. */
export async function createLeases(jsm: JetStreamManager, options: LeaseStreamOptions): Promise<void> {
  const { stream, prefix, replicas, firstSeq } = options;
  const op = 'open leases';
  try {
    let config = await configOf(jsm, stream);
    if (config === undefined) {
      await jsm.streams
        .add({
          name: stream,
          description: 'Which supervisors of Slipstream live, and which slots each owns.',
          subjects: [`${prefix}.>`],
          storage: StorageType.File,
          retention: RetentionPolicy.Limits,
          discard: DiscardPolicy.Old,
          max_msgs_per_subject: 1,
          num_replicas: replicas,
          first_seq: firstSeq,
          allow_rollup_hdrs: true,
          allow_msg_ttl: true,
          subject_delete_marker_ttl: MARKER_TTL_S * 1_000_000_000,
        })
        .catch((thrown: unknown) => {
          // Another process has just made it, with another first sequence.
          if (!(thrown instanceof JetStreamApiError && thrown.code === OTHER_CONFIGURATION)) throw thrown;
        });
      config = await configOf(jsm, stream);
    }
    if (config === undefined)
      throw failed('journal_unreachable', { op, reason: `stream ${stream} vanished right after its creation` });
    refuseOther(config, options);
  } catch (thrown) {
    throw natsFailure(thrown, { op });
  }
}

async function configOf(jsm: JetStreamManager, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(stream)).config;
  } catch (thrown) {
    if (isStreamMissing(thrown)) return undefined;
    throw thrown;
  }
}

function refuseOther(config: StreamConfig, { stream, prefix }: LeaseStreamOptions): void {
  const faults = [
    config.subjects.length !== 1 || config.subjects[0] !== `${prefix}.>`
      ? `its subjects are ${config.subjects.join(', ')} instead of ${prefix}.>`
      : undefined,
    config.max_msgs_per_subject === 1
      ? undefined
      : 'it keeps more than the newest value (max_msgs_per_subject must be 1)',
    config.max_age === 0 ? undefined : 'it drops claims by age (max_age must be 0)',
    config.allow_msg_ttl === true && (config.subject_delete_marker_ttl ?? 0) > 0
      ? undefined
      : 'it cannot end single messages and tell so (allow_msg_ttl and subject_delete_marker_ttl, nats-server 2.11 or later)',
  ].filter((fault) => fault !== undefined);
  if (faults.length === 0) return;
  throw failed('invalid_config', {
    op: 'open leases',
    reason: `stream ${stream} is unfit: ${faults.join('; ')}`,
    hint: 'Name another stream in the configuration, correct this one, or take a newer nats-server; nothing was changed.',
  });
}
