import type { MsgHdrs, NatsConnection, Subscription } from '@nats-io/nats-core';
import { COMMAND_NAMES, type CommandHandler, type CommandServer } from '../../ports/command-transport.ts';
import { DEFAULT_COMMAND_PREFIX, PAGE_BYTES_HEADER, sessionSubject } from './command-subjects.ts';

export interface SessionServiceOptions {
  readonly handler: CommandHandler;
  readonly prefix?: string | undefined;
  readonly session: () => string;
  /** Calls back when the session may be another one. Gives the way to stop that. */
  readonly observe: (changed: () => void) => () => void;
}

/** Reserved in a message for its headers. */
const HEADER_BYTES = 8 * 1024;

/** Answers what this supervisor alone is asked by others, under its session. Whoever asks a session that is over hears that nobody listens. */
export function serveSession(nc: NatsConnection, options: SessionServiceOptions): CommandServer {
  const { handler, prefix = DEFAULT_COMMAND_PREFIX, observe } = options;
  const underWay = new Set<Promise<void>>();
  let session: string | undefined;
  let subscription: Subscription | undefined;
  const listen = (): void => {
    if (session === options.session()) return;
    session = options.session();
    subscription?.unsubscribe();
    subscription = nc.subscribe(sessionSubject(prefix, session, '*'), {
      callback: (error, message) => {
        const name = COMMAND_NAMES.find((one) => message.subject.endsWith(`.${one}`));
        if (error !== null || name === undefined) return;
        const maxReplyBytes = (nc.info?.max_payload ?? 1024 * 1024) - HEADER_BYTES;
        const pageBytes = pageBytesOf(message.headers);
        const task = handler({ name, body: message.string(), trace: new Map(), maxReplyBytes, pageBytes })
          .then(({ body }) => void message.respond(body))
          // Only sending can fail, on a closed connection, and then nobody can be told.
          .catch(() => undefined)
          .finally(() => underWay.delete(task));
        underWay.add(task);
      },
    });
  };
  const unobserve = observe(listen);
  listen();
  return {
    async stop() {
      unobserve();
      subscription?.unsubscribe();
      await Promise.allSettled(underWay);
    },
  };
}

function pageBytesOf(headers: MsgHdrs | undefined): number | undefined {
  const sizeBytes = Number(headers?.get(PAGE_BYTES_HEADER));
  return sizeBytes > 0 ? sizeBytes : undefined;
}
