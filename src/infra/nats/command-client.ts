import { errors, headers, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { failed } from '../../domain/failure.ts';
import type { CommandName, CommandRequestOptions, CommandTransport } from '../../ports/command-transport.ts';
import { commandSubject, DEFAULT_COMMAND_PREFIX, PAGE_BYTES_HEADER, sessionSubject } from './command-subjects.ts';
import { isNoResponders, natsFailure } from './nats-failure.ts';

export interface CommandTransportOptions {
  readonly prefix?: string | undefined;
  /** Only this supervisor is asked. */
  readonly session?: string | undefined;
}

/** Sends commands to whatever supervisor listens. */
export function natsCommandTransport(
  nc: NatsConnection,
  { prefix = DEFAULT_COMMAND_PREFIX, session }: CommandTransportOptions = {},
): CommandTransport {
  const subjectOf = (name: CommandName): string =>
    session === undefined ? commandSubject(prefix, name) : sessionSubject(prefix, session, name);
  return {
    async request(name, body, options) {
      const { timeoutMs } = options;
      try {
        const message = await nc.request(subjectOf(name), body, {
          timeout: timeoutMs,
          headers: headersOf(options),
        });
        return message.string();
      } catch (error) {
        if (isNoResponders(error))
          throw failed('no_supervisor', { op: name, reason: `nobody listens on ${subjectOf(name)}` }, error);
        if (error instanceof errors.TimeoutError)
          throw failed('command_timeout', { op: name, reason: `no answer within ${timeoutMs} ms` }, error);
        throw natsFailure(error, { op: name });
      }
    },
  };
}

function headersOf({ trace, pageBytes }: CommandRequestOptions): MsgHdrs {
  const carrier = headers();
  for (const [name, value] of trace) carrier.set(name, value);
  if (pageBytes !== undefined) carrier.set(PAGE_BYTES_HEADER, String(pageBytes));
  return carrier;
}
