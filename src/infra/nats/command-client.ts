import { errors, headers, type MsgHdrs, type NatsConnection } from '@nats-io/nats-core';
import { failed } from '../../domain/failure.ts';
import type { CommandTransport, TraceHeaders } from '../../ports/command-transport.ts';
import { commandSubject, DEFAULT_COMMAND_PREFIX } from './command-subjects.ts';
import { isNoResponders, natsFailure } from './nats-failure.ts';

/** Sends commands to whatever supervisor listens. */
export function natsCommandTransport(
  nc: NatsConnection,
  { prefix = DEFAULT_COMMAND_PREFIX }: { readonly prefix?: string | undefined } = {},
): CommandTransport {
  return {
    async request(name, body, { timeoutMs, trace }) {
      try {
        const message = await nc.request(commandSubject(prefix, name), body, {
          timeout: timeoutMs,
          headers: traceHeaders(trace),
        });
        return message.string();
      } catch (error) {
        if (isNoResponders(error))
          throw failed(
            'no_supervisor',
            { op: name, reason: `nobody listens on ${commandSubject(prefix, name)}` },
            error,
          );
        if (error instanceof errors.TimeoutError)
          throw failed('command_timeout', { op: name, reason: `no answer within ${timeoutMs} ms` }, error);
        throw natsFailure(error, { op: name });
      }
    },
  };
}

function traceHeaders(trace: TraceHeaders): MsgHdrs {
  const carrier = headers();
  for (const [name, value] of trace) carrier.set(name, value);
  return carrier;
}
