import type { NatsConnection } from '@nats-io/nats-core';
import { Svcm, type ServiceMsg } from '@nats-io/services';
import { failed } from '../../domain/failure.ts';
import {
  COMMAND_NAMES,
  type CommandHandler,
  type CommandName,
  type CommandServer,
  type TraceHeaders,
} from '../../ports/command-transport.ts';
import { commandEndpoints, DEFAULT_COMMAND_PREFIX, targetOf, type CommandEndpoint } from './command-subjects.ts';
import { natsReason } from './nats-failure.ts';

export interface CommandServerOptions {
  readonly handler: CommandHandler;
  /** Version of Slipstream, `major.minor.patch`. */
  readonly version: string;
  /** JSON Schema of each command, shown to those who discover the service. */
  readonly schemas: Readonly<Record<CommandName, string>>;
  readonly prefix?: string | undefined;
  /** The server took the subscription away (e.g. a missing permission): no more commands arrive. */
  readonly onStopped?: ((reason: string) => void) | undefined;
  /** Shown with the service, e.g. the supervisor's name. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** Reserved in a message for its headers. */
const HEADER_BYTES = 8 * 1024;

/**
 * Serves commands as a NATS service named `slipstream` (found by PING, INFO and STATS). Supervisors share one queue group: a command
 * reaches one of them. A refusal carries the error headers of NATS services beside its JSON.
 */
export async function serveCommands(nc: NatsConnection, options: CommandServerOptions): Promise<CommandServer> {
  const { handler, version, schemas, prefix = DEFAULT_COMMAND_PREFIX, metadata = {}, onStopped } = options;
  const underWay = new Set<Promise<void>>();
  try {
    // The package pins an older core, whose type of the same connection differs in name only.
    const connection = nc as unknown as ConstructorParameters<typeof Svcm>[0];
    const service = await new Svcm(connection).add({
      name: 'slipstream',
      version,
      description: 'Continuous copies of search indices',
      metadata: { ...metadata },
    });
    const serve = async (message: ServiceMsg, { name }: CommandEndpoint): Promise<void> => {
      const target = targetOf(prefix, message.subject);
      const answer = await handler({
        name,
        body: message.string(),
        target,
        trace: traceOf(message),
        maxReplyBytes: (nc.info?.max_payload ?? 1024 * 1024) - HEADER_BYTES,
      });
      if (answer.error === undefined) message.respond(answer.body);
      else
        message.respondError(
          answer.error.status,
          answer.error.text.replaceAll(/[\r\n]+/g, ' ').slice(0, 512),
          answer.body,
        );
    };
    for (const endpoint of commandEndpoints(prefix, COMMAND_NAMES)) {
      service.addEndpoint(endpoint.endpoint, {
        subject: endpoint.subject,
        metadata: { schema: schemas[endpoint.name] },
        handler: (error, message) => {
          if (error !== null) return;
          // The handler answers everything; only sending can fail, on a closed connection, and then nobody can be told.
          const task = serve(message, endpoint)
            .catch(() => undefined)
            .finally(() => underWay.delete(task));
          underWay.add(task);
        },
      });
    }
    await nc.flush();
    void service.stopped.then((error) => (error === null ? undefined : onStopped?.(error.message)));
    return {
      async stop() {
        await service.stop();
        await Promise.allSettled(underWay);
      },
    };
  } catch (error) {
    throw failed('journal_unreachable', { op: 'serve commands', reason: natsReason(error) }, error);
  }
}

function traceOf(message: ServiceMsg): TraceHeaders {
  const values = ['traceparent', 'tracestate'].map((name): [string, string] => [
    name,
    message.headers?.get(name) ?? '',
  ]);
  return new Map(values.filter(([, value]) => value !== ''));
}
