import { nameFromToken, subjectToken, type FollowerIndexRef } from '../../domain/names.ts';
import type { CommandName, CommandRequest } from '../../ports/command-transport.ts';

export const DEFAULT_COMMAND_PREFIX = 'slipstream';

/** Header of a request: how much of a long answer is wanted at once. */
export const PAGE_BYTES_HEADER = 'Slipstream-Page-Bytes';

/** A subject with wildcards that a supervisor listens on, and the name of its endpoint. */
export interface CommandEndpoint {
  readonly endpoint: string;
  readonly subject: string;
  readonly name: CommandName;
}

const INDEX_COMMANDS: readonly CommandName[] = [
  'follow',
  'unfollow',
  'pause',
  'resume',
  'quarantine-retry',
  'repair',
  'status',
  'quarantine',
];
const PAIR_COMMANDS: readonly CommandName[] = ['pause', 'resume', 'quarantine-retry', 'status', 'quarantine'];

/**
 * The target is named by the body, or by the subject:
 *
 *     <prefix>.cmd.<command>
 *     <prefix>.index.<cluster>.<index>.<command>
 *     <prefix>.pair.<cluster>.<index>.<shard>.<command>
 */
export function commandEndpoints(prefix: string, names: readonly CommandName[]): readonly CommandEndpoint[] {
  return [
    ...names.map((name) => ({ endpoint: name, subject: commandSubject(prefix, name), name })),
    ...INDEX_COMMANDS.map((name) => ({ endpoint: `index-${name}`, subject: `${prefix}.index.*.*.${name}`, name })),
    ...PAIR_COMMANDS.map((name) => ({ endpoint: `pair-${name}`, subject: `${prefix}.pair.*.*.*.${name}`, name })),
  ];
}

export function commandSubject(prefix: string, name: CommandName): string {
  return `${prefix}.cmd.${name}`;
}

/** What one supervisor alone is asked; its session is part of the subject. `*` for every command. */
export function sessionSubject(prefix: string, session: string, name: CommandName | '*'): string {
  return `${prefix}.session.${subjectToken(session)}.${name}`;
}

export function targetSubject(prefix: string, name: CommandName, follower: FollowerIndexRef, shard?: number): string {
  const index = `${subjectToken(follower.cluster)}.${subjectToken(follower.index)}`;
  return shard === undefined ? `${prefix}.index.${index}.${name}` : `${prefix}.pair.${index}.${shard}.${name}`;
}

/** What a subject names. A shard that is no number becomes NaN, which the command's schema refuses. */
export function targetOf(prefix: string, subject: string): CommandRequest['target'] {
  const [kind, cluster, index, shard] = subject.slice(prefix.length + 1).split('.');
  if (kind === 'cmd' || cluster === undefined || index === undefined) return undefined;
  const follower = { cluster: nameFromToken(cluster), index: nameFromToken(index) };
  return kind === 'pair' ? { follower, shard: /^\d+$/.test(shard ?? '') ? Number(shard) : Number.NaN } : { follower };
}
