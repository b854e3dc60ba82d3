/** The supervisor as a program of the reader's would see it: plain NATS requests, JSON in and out. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/nats-core';
import type { CommandResult, IndexStatus, PairStatus, Reply } from '../src/domain/commands.ts';
import type { FollowerIndexRef } from '../src/domain/names.ts';
import { subjectToken } from '../src/domain/names.ts';
import { DemoFailure } from './demo-failure.ts';

export interface Control {
  /** @param shard of the follower's leader. @returns the subject of a command for it */
  subject(shard: number, command: 'pause' | 'resume'): string;
  /** Throws DemoFailure with what the supervisor refused with. */
  command(subject: string, body: object): Promise<CommandResult>;
  unfollow(): Promise<void>;
  /** Of every shard, sorted; none before anything is followed. */
  pairs(): Promise<readonly PairStatus[]>;
}

export interface ControlOptions {
  readonly nats: NatsConnection;
  readonly prefix: string;
  readonly follower: FollowerIndexRef;
}

const POLL_MS = 200;
const ANSWER_WITHIN_MS = 15_000;

export function natsControl({ nats, prefix, follower }: ControlOptions): Control {
  async function ask<T>(subject: string, body: object): Promise<T> {
    const message = await nats.request(subject, JSON.stringify(body), { timeout: ANSWER_WITHIN_MS });
    const reply = message.json<Reply<T>>();
    if (reply.ok) return reply.result;
    const { code, reason, hint } = reply.failure;
    throw new DemoFailure(`${subject} was refused: ${code}: ${reason}`, [hint]);
  }
  const names = `${subjectToken(follower.cluster)}.${subjectToken(follower.index)}`;
  return {
    subject: (shard, command) => `${prefix}.pair.${names}.${shard}.${command}`,
    command: (subject, body) => ask(subject, body),
    unfollow: async () => void (await ask(`${prefix}.index.${names}.unfollow`, { by: 'demo' })),
    async pairs() {
      const indices = await ask<readonly IndexStatus[]>(`${prefix}.cmd.status`, {});
      const found = indices.find(
        (index) => index.follower.cluster === follower.cluster && index.follower.index === follower.index,
      );
      return (found?.pairs ?? []).toSorted((a, b) => a.shard - b.shard);
    },
  };
}

export interface Waiting {
  /** What is waited for, to complete "gave up waiting for ...". */
  readonly what: string;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** Polls until there is an answer. Throws DemoFailure when it takes too long, and the signal's reason when that fires. */
export async function until<T>(look: () => Promise<T | undefined>, { what, withinMs, signal }: Waiting): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new DemoFailure(`gave up waiting for ${what} after ${withinMs / 1000} s`);
    await pause(POLL_MS, signal);
  }
}

/** Throws the signal's own reason when that fires, so that it says why. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
  signal.throwIfAborted();
}
