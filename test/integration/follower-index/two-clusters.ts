/**
 * Two real clusters, and what these tests need of them beside the code under test. Names made by `name()` are deleted when the bench is disposed of.
 */
import assert from 'node:assert/strict';
import { Failed, type Failure } from '../../../src/domain/failure.ts';
import { openCluster } from '../../../src/infra/search/open-cluster.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { FollowerLink } from '../../../src/replication/index/follower-link.ts';
import { type FollowPlan, type FollowRequest, preflight } from '../../../src/replication/index/preflight.ts';
import { prepareFollower, type PreparedFollower } from '../../../src/replication/index/prepare.ts';

export const JOURNAL = 'journal-of-the-tests';
export const signal = new AbortController().signal;

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

function addressOf(variable: string): string {
  const url = process.env[variable];
  if (url === undefined || url === '')
    throw new Error(`${variable} must hold the address of a running cluster, e.g. http://127.0.0.1:9201`);
  return url.replace(/\/$/, '');
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Any request of an outsider, past the code under test. */
export type Raw = (method: string, path: string, body?: unknown) => Promise<Answer>;

function outsider(url: string): Raw {
  return async (method, path, body) => {
    const text = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const headers = { 'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json' };
    const response = await fetch(url + path, { method, headers, ...text });
    const answer = await response.text();
    return { status: response.status, body: answer === '' ? {} : (JSON.parse(answer) as Record<string, unknown>) };
  };
}

export interface Bench extends AsyncDisposable {
  readonly leader: { readonly raw: Raw; readonly admin: FollowPlan['leaderAdmin'] };
  readonly follower: { readonly raw: Raw; readonly admin: FollowPlan['followerAdmin'] };
  /** A fresh index name, the same for both clusters. */
  name(suffix?: string): string;
  createLeader(index: string, body?: unknown): Promise<void>;
  /** Runs when the bench is disposed of, before indices are deleted. */
  afterwards(step: () => Promise<unknown>): void;
  request(leader: string, follower?: string, overrides?: FollowRequest['overrides']): FollowRequest;
  follow(leader: string, follower?: string, overrides?: FollowRequest['overrides']): Promise<Followed>;
}

export interface Followed {
  readonly plan: FollowPlan;
  readonly prepared: PreparedFollower;
  readonly link: FollowerLink;
}

let made = 0;

export function openBench(): Bench {
  const [leaderUrl, followerUrl] = [addressOf('SLIPSTREAM_LEADER_URL'), addressOf('SLIPSTREAM_FOLLOWER_URL')];
  const options = {
    auth: { kind: 'none' },
    caPem: undefined,
    compression: false,
    requestTimeoutMs: 30_000,
    maxConnections: 4,
    clock,
  } as const;
  const [leader, follower] = [
    openCluster({ ...options, name: 'left', url: leaderUrl }),
    openCluster({ ...options, name: 'right', url: followerUrl }),
  ];
  const [leaderRaw, followerRaw] = [outsider(leaderUrl), outsider(followerUrl)];
  const names: string[] = [];
  const steps: (() => Promise<unknown>)[] = [];

  const bench: Bench = {
    leader: { raw: leaderRaw, admin: leader.admin },
    follower: { raw: followerRaw, admin: follower.admin },
    name(suffix = '') {
      made += 1;
      const name = `fx-${process.pid}-${made}${suffix}`;
      names.push(name);
      return name;
    },
    async createLeader(index, body = {}) {
      const answer = await leaderRaw('PUT', `/${encodeURIComponent(index)}`, body);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
    },
    afterwards: (step) => void steps.push(step),
    request: (leaderIndex, followerIndex = leaderIndex, overrides = {}) => ({
      leaderAdmin: leader.admin,
      followerAdmin: follower.admin,
      leader: { cluster: 'left', index: leaderIndex },
      follower: { cluster: 'right', index: followerIndex },
      journalId: JOURNAL,
      overrides,
    }),
    async follow(leaderIndex, followerIndex = leaderIndex, overrides = {}) {
      const plan = await preflight(bench.request(leaderIndex, followerIndex, overrides), signal);
      const prepared = await prepareFollower(plan, { epoch: 1, primariesTimeoutMs: 20_000 }, signal);
      return { plan, prepared, link: linkOf(plan) };
    },
    async [Symbol.asyncDispose]() {
      for (const step of steps.toReversed()) await step();
      for (const name of names) {
        for (const raw of [leaderRaw, followerRaw]) {
          const { status, body } = await raw('DELETE', `/${encodeURIComponent(name)}`);
          assert.ok(status === 200 || status === 404, JSON.stringify(body));
        }
      }
      await Promise.all([leader.close(), follower.close()]);
    },
  };
  return bench;
}

export function linkOf(plan: FollowPlan): FollowerLink {
  const { leaderAdmin, followerAdmin, leader, follower, journalId } = plan;
  const leaderUuid = plan.leaderDescription.uuid;
  return { leaderAdmin, followerAdmin, leader, follower, journalId, leaderUuid, followerUuid: () => undefined };
}

export async function failureOf(attempt: Promise<unknown>): Promise<Failure> {
  try {
    await attempt;
  } catch (thrown) {
    if (thrown instanceof Failed) return thrown.failure;
    throw thrown;
  }
  assert.fail('it should have failed');
}

interface Described {
  readonly settings: Record<string, unknown>;
  readonly mappings: Record<string, unknown>;
  readonly aliases: Record<string, unknown>;
}

export async function look(raw: Raw, index: string): Promise<Described> {
  const { status, body } = await raw('GET', `/${encodeURIComponent(index)}?flat_settings=true`);
  assert.equal(status, 200, JSON.stringify(body));
  return body[index] as Described;
}
