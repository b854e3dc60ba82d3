import { CLUSTER_NAME, CLUSTER_NAME_RULE } from '../config/cluster-name.ts';
import { indexNameFault, indexPatternFault } from '../domain/index-name.ts';
import { parseDuration } from '../config/units.ts';
import { MAX_WAIT_MS } from '../control/schemas.ts';
import type { FollowerIndexRef } from '../domain/names.ts';
import { usageFault } from './arguments.ts';
import type { Arguments } from './command.ts';

export interface Target {
  readonly follower: FollowerIndexRef;
  readonly shard?: number;
}

/** `cluster:index` or `cluster:index/shard`. Neither `:` nor `/` can stand in an index name. */
export function parseTarget(command: string, text: string): Target {
  return parseNamed(command, text, indexNameFault);
}

/** The same, for one index or, with `*` in its name, several. */
export function parseTargets(command: string, text: string): Target {
  return parseNamed(command, text, indexPatternFault);
}

function parseNamed(command: string, text: string, faultOf: (index: string) => string | undefined): Target {
  const colon = text.indexOf(':');
  if (colon < 0) throw usageFault(command, `${text}: expected cluster:index or cluster:index/shard`);
  const cluster = text.slice(0, colon);
  const slash = text.indexOf('/', colon);
  const index = text.slice(colon + 1, slash < 0 ? undefined : slash);
  const fault = CLUSTER_NAME.test(cluster) ? nameFault(faultOf(index)) : CLUSTER_NAME_RULE;
  if (fault !== undefined) throw usageFault(command, `${text}: ${fault}`);
  if (slash < 0) return { follower: { cluster, index } };
  const shard = text.slice(slash + 1);
  if (!/^\d{1,4}$/.test(shard)) throw usageFault(command, `${text}: expected a shard number after the /`);
  return { follower: { cluster, index }, shard: Number(shard) };
}

export function parseIndex(command: string, text: string): FollowerIndexRef {
  const { follower, shard } = parseTarget(command, text);
  if (shard !== undefined) throw usageFault(command, `${text}: ${command} takes a whole index, cluster:index`);
  return follower;
}

/** A target that may be left out. */
export function optionalTarget(
  command: string,
  args: Arguments,
  parse: typeof parseTarget = parseTarget,
): Partial<Target> {
  const text = args.positionals[0];
  return text === undefined ? {} : parse(command, text);
}

export function shownTarget({ follower, shard }: Target): string {
  return `${follower.cluster}:${follower.index}${shard === undefined ? '' : `/${shard}`}`;
}

/** Milliseconds of `--wait`; 0 without. */
export function waitOf(command: string, args: Arguments): number {
  const text = args.value('wait');
  if (text === undefined) return 0;
  const waitMs = parseDuration(text);
  if (waitMs === undefined || waitMs > MAX_WAIT_MS)
    throw usageFault(command, `--wait ${text}: expected a time such as 30s, at most 10m`);
  return waitMs;
}

function nameFault(fault: string | undefined): string | undefined {
  return fault === undefined ? undefined : `the index name ${fault}`;
}
