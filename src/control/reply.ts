import { z } from 'zod';
import { FAILURES, failed, type Failure, type FailureKind } from '../domain/failure.ts';
import type { CommandName } from '../ports/command-transport.ts';

/** What every command and query is answered with, as JSON. */
export type WireReply =
  | {
      readonly ok: true;
      readonly result: unknown;
      /** The answer is longer than one message: ask again with this as `cursor`. */
      readonly next?: string;
    }
  | { readonly ok: false; readonly failure: Failure };

/** By who must act, as HTTP would say it. */
const STATUS: Readonly<Record<FailureKind, number>> = {
  transient: 503,
  conflict: 409,
  fatal: 422,
  refused: 400,
  corrupt: 500,
};

export function statusOf(failure: Failure): number {
  return STATUS[failure.kind];
}

const failure = z.looseObject({
  code: z.string(),
  kind: z.string(),
  op: z.string(),
  reason: z.string(),
  hint: z.string(),
});
const reply = z.discriminatedUnion('ok', [
  z.looseObject({ ok: z.literal(true), result: z.unknown(), next: z.string().optional() }),
  z.looseObject({ ok: z.literal(false), failure }),
]);

/** Reads an answer; one that is none, or whose failure has a code this version does not know, is thrown as `unexpected_answer`. */
export function parseReply(name: CommandName, text: string): WireReply {
  const unexpected = (why: string): Error =>
    failed('unexpected_answer', {
      op: name,
      reason: `the supervisor's answer ${why}`,
      hint: 'Supervisor and client seem to be of different versions.',
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw unexpected('is not JSON');
  }
  const checked = reply.safeParse(json);
  if (!checked.success) throw unexpected('is no reply');
  if (checked.data.ok)
    return checked.data.next === undefined
      ? { ok: true, result: checked.data.result }
      : { ok: true, result: checked.data.result, next: checked.data.next };
  const { code, reason } = checked.data.failure;
  if (!(code in FAILURES)) throw unexpected(`is a failure ${code}: ${reason}`);
  return { ok: false, failure: checked.data.failure as unknown as Failure };
}
