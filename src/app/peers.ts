import type { NatsConnection } from '@nats-io/nats-core';
import type { Peers } from '../actors/owners-pages.ts';
import { commandClient } from '../control/client.ts';
import { commandService } from '../control/service.ts';
import { shortAnswers } from '../control/short-answers.ts';
import type { ServedSurface } from '../domain/commands.ts';
import { natsCommandTransport } from '../infra/nats/command-client.ts';
import { serveSession } from '../infra/nats/session-service.ts';
import { systemClock } from '../infra/system/clock.ts';
import { systemRandom } from '../infra/system/random.ts';
import type { CommandServer } from '../ports/command-transport.ts';
import type { Ownership } from '../ports/ownership.ts';

/** For one page of an answer. One that is stopped or cut off is passed over then. */
const ANSWER_TIMEOUT_MS = 3000;

/** The other supervisors on this journal, each by its session. */
export function peersOver(nc: NatsConnection, prefix: string): Peers {
  return (session, waitMs = 0) =>
    commandClient({
      transport: natsCommandTransport(nc, { prefix, session }),
      clock: systemClock,
      random: systemRandom,
      timeoutMs: ANSWER_TIMEOUT_MS + waitMs,
    });
}

/** The other side: what this one offers by itself. */
export function servePeers(
  nc: NatsConnection,
  { prefix, surface, ownership }: { prefix: string; surface: ServedSurface; ownership: Ownership },
): CommandServer {
  return serveSession(nc, {
    handler: commandService({ surface, random: systemRandom, answers: shortAnswers() }),
    prefix,
    session: () => ownership.session,
    observe: (changed) => ownership.observe(changed),
  });
}
