import type { ControlConnection, Program, ReachResult } from './program.ts';
import type { Config } from '../config/config.ts';
import { commandClient } from '../control/client.ts';
import { failureOf } from '../domain/failure.ts';
import { natsCommandTransport } from '../infra/nats/command-client.ts';
import { openJournalReader } from '../infra/nats/event-log.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import { openConfigured } from './clusters.ts';
import { connectConfigured, journalNames } from './nats.ts';
import { packageVersion } from './package-version.ts';
import { recover as recoverConfigured } from './recovery.ts';
import { startSupervisor as start } from './running-supervisor.ts';
import { verify as verifyConfigured } from './verification.ts';

export async function connectControl(config: Config): Promise<ControlConnection> {
  const nc = await connectConfigured(config.nats, 'slipstream cli');
  const transport = natsCommandTransport(nc, { prefix: config.nats.subjectPrefix });
  const names = journalNames(config.nats);
  return {
    control: commandClient({ transport, clock: systemClock, random: systemRandom }),
    journal: {
      // Opened when it is first read: commands need no journal of their own.
      async *read(filter, options, signal) {
        yield* (await openJournalReader(nc, names)).read(filter, options, signal);
      },
    },
    close: () => nc.close(),
  };
}

export const startSupervisor: Program['startSupervisor'] = async (config, signal) => {
  signal.throwIfAborted();
  const running = await start(config, packageVersion());
  if (signal.aborted) running.stop('the start was given up');
  return running;
};

export const recover: Program['recover'] = recoverConfigured;

export const verify: Program['verify'] = verifyConfigured;

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
  try {
    const nc = await connectConfigured(config.nats, 'slipstream check');
    results.push({
      kind: 'nats',
      name: 'nats',
      detail: nc.info?.version === undefined ? 'connected' : `nats-server ${nc.info.version}`,
    });
    await nc.close();
  } catch (thrown) {
    results.push({ kind: 'nats', name: 'nats', failure: failureOf(thrown, 'connect to NATS') });
  }
  return results;
};
