import type { Config } from '../config/config.ts';
import { environment } from '../config/load.ts';
import { Failed, type Failure } from '../domain/failure.ts';
import { startChildServer, type ChildServer } from '../infra/nats/child-server.ts';
import { obtainServer } from '../infra/nats/server-binary.ts';
import type { EventLog } from '../ports/event-log.ts';
import type { Narrator } from '../ports/narrator.ts';

/** Where the configuration names no NATS server, one is run. */
export async function startOwnServer(
  { nats, supervisor }: Config,
  narrator: Narrator,
  signal: AbortSignal,
): Promise<ChildServer | undefined> {
  if (nats.own === undefined) return undefined;
  const { dataFolder, serverBinary, port } = nats.own;
  const binary = await obtainServer(
    { configured: serverBinary, env: environment() },
    { tell: (line) => narrator.log('info', line), signal },
  );
  signal.throwIfAborted();
  const log: Narrator['log'] = (level, message, fields) => narrator.log(level, message, fields);
  return startChildServer({ dataFolder, binary, port, supervisor: supervisor.name, log });
}

/** A time-out of the client says little; whoever runs the server knows why it does not answer. */
export function tellingTrouble(log: EventLog, trouble: () => Failure | undefined): EventLog {
  return {
    ...log,
    async append(...args) {
      try {
        return await log.append(...args);
      } catch (thrown) {
        throw explained(thrown, trouble());
      }
    },
  };
}

function explained(thrown: unknown, trouble: Failure | undefined): unknown {
  if (trouble === undefined || !(thrown instanceof Failed) || thrown.failure.code !== 'journal_unreachable')
    return thrown;
  const { code, kind, hint } = trouble;
  const { failure } = thrown;
  return new Failed({ ...failure, code, kind, hint, reason: `${trouble.reason} (${failure.reason})` }, thrown);
}
