import type { Program, ReachResult } from './program.ts';
import type { Config } from '../config/config.ts';
import { environment } from '../config/load.ts';
import { failureOf } from '../domain/failure.ts';
import { inspectAccount } from '../infra/nats/nats-inspection.ts';
import { findServer } from '../infra/nats/server-binary.ts';
import { FETCHED_VERSION } from '../infra/nats/server-download.ts';
import { openConfigured } from './clusters.ts';
import { diagnose as diagnoseConfigured } from './diagnosis.ts';
import { connectConfigured } from './nats.ts';
import { packageVersion } from './package-version.ts';
import { recover as recoverConfigured } from './recovery.ts';
import { startSupervisor as start } from './running-supervisor.ts';
import { verify as verifyConfigured } from './verification.ts';

export const startSupervisor: Program['startSupervisor'] = async (config, signal) => {
  signal.throwIfAborted();
  const running = await start(config, packageVersion(), signal);
  if (signal.aborted) running.stop('the start was given up');
  return running;
};

export const recover: Program['recover'] = recoverConfigured;

export const verify: Program['verify'] = verifyConfigured;

export const diagnose: Program['diagnose'] = diagnoseConfigured;

export const checkReach: Program['checkReach'] = async (config, signal) => {
  const results: ReachResult[] = [];
  for (const cluster of config.clusters.values()) {
    const open = openConfigured(cluster);
    try {
      const { distribution, version } = await open.admin.identify(signal);
      results.push({ kind: 'cluster', name: cluster.name, detail: `${distribution} ${version}` });
    } catch (thrown) {
      results.push({ kind: 'cluster', name: cluster.name, failure: failureOf(thrown, 'identify') });
    } finally {
      await open.close();
    }
  }
  results.push(await checkNats(config));
  return results;
};

/** A server of our own is not there before the supervisor is; then it matters whether one can be run. */
async function checkNats({ nats }: Config): Promise<ReachResult> {
  const name = { kind: 'nats', name: 'nats' } as const;
  try {
    if (nats.own !== undefined) {
      const { path, version } = (await findServer({ configured: nats.own.serverBinary, env: environment() })) ?? {
        path: 'a server that is fetched with pip',
        version: FETCHED_VERSION,
      };
      return { ...name, detail: `run by the supervisor: ${path}, ${version}` };
    }
    const nc = await connectConfigured(nats, 'slipstream check');
    try {
      // Connected alone says little: the journal is kept in JetStream.
      await inspectAccount(nc);
      const detail = nc.info?.version === undefined ? 'connected' : `nats-server ${nc.info.version}`;
      return { ...name, detail };
    } finally {
      await nc.close();
    }
  } catch (thrown) {
    return { ...name, failure: failureOf(thrown, 'connect to NATS') };
  }
}
