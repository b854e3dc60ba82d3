import type { NatsConnection } from '@nats-io/nats-core';
import type { NatsConfig } from '../config/config.ts';
import { commandClient } from '../control/client.ts';
import { Failed, failed } from '../domain/failure.ts';
import { natsCommandTransport } from '../infra/nats/command-client.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';

const QUESTION_TIMEOUT_MS = 2000;

/**
 * What is done without a supervisor would be undone by one. Somebody who listens and does not answer does not count: NATS keeps the
 * subscription of a machine that was lost for minutes. The journal's expected sequences settle what slips through.
 */
export async function requireNoSupervisor(nats: NatsConfig, nc: NatsConnection, op: string): Promise<void> {
  const transport = natsCommandTransport(nc, { prefix: nats.subjectPrefix });
  const control = commandClient({
    transport,
    clock: systemClock,
    random: systemRandom,
    timeoutMs: QUESTION_TIMEOUT_MS,
  });
  try {
    await control.list();
  } catch (thrown) {
    if (thrown instanceof Failed && ['no_supervisor', 'command_timeout'].includes(thrown.failure.code)) return;
    throw thrown;
  }
  const { servers, subjectPrefix } = nats;
  throw failed('supervisor_running', {
    op,
    reason: `a supervisor serves ${subjectPrefix}.cmd on ${servers.join(', ')} already`,
  });
}
