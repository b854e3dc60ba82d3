import assert from 'node:assert/strict';
import { Failed, type FailureCode } from '../../../src/domain/failure.ts';
import { type OpenCluster, openCluster } from '../../../src/infra/search/open-cluster.ts';
import { systemClock } from '../../../src/infra/system/clock.ts';

export const never = new AbortController().signal;

export function urlOf(variable: string): string {
  const value = process.env[variable];
  assert.ok(value, `${variable} must hold the url of a running cluster`);
  return value;
}

export function openReal(url: string, compression = false): OpenCluster & AsyncDisposable {
  const cluster = openCluster({
    name: 'c',
    url,
    auth: { kind: 'none' },
    caPem: undefined,
    compression,
    requestTimeoutMs: 30_000,
    maxConnections: 4,
    clock: systemClock,
  });
  return { ...cluster, [Symbol.asyncDispose]: () => cluster.close() };
}

export interface RealIndex extends AsyncDisposable {
  readonly name: string;
  /** A request below the index; fails unless it succeeds. */
  call(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Bulk lines as objects, followed by a refresh. */
  bulk(lines: readonly object[]): Promise<void>;
}

let indices = 0;

/** An index of its own for one test, deleted at its end. */
export async function createIndex(url: string, label: string, body: object = {}): Promise<RealIndex> {
  indices += 1;
  const name = `search-int-${process.pid}-${indices}-${label}`;
  const base = `${url}/${encodeURIComponent(name)}`;
  const call = async (method: string, path: string, value?: unknown): Promise<unknown> => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const type = typeof value === 'string' ? 'application/x-ndjson' : 'application/json';
    const init = value === undefined ? { method } : { method, headers: { 'content-type': type }, body: text };
    const response = await fetch(`${base}${path}`, init);
    const answer = await response.text();
    assert.ok(response.ok, `${method} ${name}${path}: ${response.status} ${answer.slice(0, 300)}`);
    return JSON.parse(answer) as unknown;
  };
  const settings = { number_of_shards: 1, number_of_replicas: 0, refresh_interval: -1 };
  await call('PUT', '', {
    ...body,
    settings: { ...settings, ...('settings' in body ? (body.settings as object) : {}) },
  });
  return {
    name,
    call,
    async bulk(lines) {
      const answer = await call(
        'POST',
        '/_bulk?refresh=true',
        lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      );
      assert.equal((answer as { errors: boolean }).errors, false, JSON.stringify(answer).slice(0, 500));
    },
    async [Symbol.asyncDispose]() {
      await call('DELETE', '');
    },
  };
}

export async function rejectsWith(promise: Promise<unknown>, code: FailureCode): Promise<Failed> {
  const thrown: unknown = await promise.then(
    () => assert.fail(`it succeeded instead of ${code}`),
    (error: unknown) => error,
  );
  if (!(thrown instanceof Failed)) throw thrown;
  assert.equal(thrown.failure.code, code, thrown.message);
  return thrown;
}

/** Names that need care in a URL, in `filter_path` or in subjects; all legal. */
export const AWKWARD_NAMES = ['idx.with.dots-ünï', 'a+b', '100%25', "it's;(here)=&~", '漢字'];
/** 512 bytes, the longest an `_id` may be. */
export const AWKWARD_ID = `${'"\\'.repeat(126)}${'😀'.repeat(65)}`;
assert.equal(Buffer.byteLength(AWKWARD_ID), 512);
