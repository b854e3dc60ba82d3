import type { Config } from '../config/config.ts';
import { commandClient } from '../control/client.ts';
import { natsCommandTransport } from '../infra/nats/command-client.ts';
import { openJournalReader } from '../infra/nats/event-log.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import { connectConfigured, journalNames } from './nats.ts';
import { journalWarnings } from './nats-diagnosis.ts';
import type { ControlConnection } from './program.ts';

/** A running supervisor, over NATS. Apart from the rest of the program, so that a command does not load what only a supervisor needs. */
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
    journalWarnings: () => journalWarnings(config.nats, nc),
    close: () => nc.close(),
  };
}
