import { z } from 'zod';
import { failed, type FailureCode } from '../../domain/failure.ts';
import type { IndexAdmin } from '../../ports/index-admin.ts';
import type { ClusterRequest, SearchClient } from './client.ts';
import type { EngineProbe } from './engine.ts';
import { createIndexQuestions } from './index-questions.ts';
import { ask, pathOf } from './json-answer.ts';

interface Change extends Pick<ClusterRequest, 'method' | 'path'> {
  readonly what: string;
  readonly body?: unknown;
  /** What a refusal means that the cluster gives no type of its own. */
  readonly refusedAs?: FailureCode;
}

const acknowledgement = z.object({ acknowledged: z.boolean() });
const health = z.object({ timed_out: z.boolean() });

export function createIndexAdmin(client: SearchClient, engine: EngineProbe): IndexAdmin {
  const { name } = client;

  async function apply({ what, body, ...rest }: Change, signal: AbortSignal): Promise<void> {
    const op = `${name} ${what}`;
    const request = {
      op,
      ...rest,
      body: body === undefined ? undefined : JSON.stringify(body),
      effect: 'write',
    } as const;
    const { acknowledged } = await ask(client, request, acknowledgement, signal);
    if (acknowledged) return;
    const reason = 'not every node acknowledged the change in time';
    throw failed('request_timeout', { op, cluster: name, reason, ambiguous: true });
  }
  const settings = { refusedAs: 'settings_rejected' } as const;

  return {
    name,
    identify: (signal) => engine.identify(signal),
    ...createIndexQuestions(client),
    createIndex: (index, body, signal) =>
      apply({ what: 'create index', method: 'PUT', path: pathOf(index), body, ...settings }, signal),
    putMapping: (index, body, signal) =>
      apply(
        { what: 'put mapping', method: 'PUT', path: `${pathOf(index)}/_mapping`, body, refusedAs: 'mapping_conflict' },
        signal,
      ),
    putSettings: (index, body, signal) =>
      apply({ what: 'put settings', method: 'PUT', path: `${pathOf(index)}/_settings`, body, ...settings }, signal),
    updateAliases: (actions, signal) =>
      apply({ what: 'update aliases', method: 'POST', path: '/_aliases', body: { actions }, ...settings }, signal),
    putPipeline: (id, body, signal) =>
      apply({ what: 'put pipeline', method: 'PUT', path: `/_ingest/pipeline${pathOf(id)}`, body, ...settings }, signal),
    close: (index, signal) => apply({ what: 'close index', method: 'POST', path: `${pathOf(index)}/_close` }, signal),
    open: (index, signal) => apply({ what: 'open index', method: 'POST', path: `${pathOf(index)}/_open` }, signal),
    async awaitPrimaries(index, timeoutMs, signal) {
      const op = `${name} await primaries`;
      const timeout = `${Math.max(0, Math.round(timeoutMs))}ms`;
      const query = { wait_for_status: 'yellow', timeout, filter_path: 'timed_out' };
      const get = { op, method: 'GET', effect: 'read', accept: [408], extraTimeoutMs: timeoutMs } as const;
      const { timed_out: timedOut } = await ask(
        client,
        { ...get, path: `/_cluster/health${pathOf(index)}`, query },
        health,
        signal,
      );
      if (!timedOut) return;
      const reason = `not every primary shard of ${index} was active within ${timeoutMs} ms`;
      throw failed('shard_unavailable', { op, cluster: name, reason });
    },
  };
}
