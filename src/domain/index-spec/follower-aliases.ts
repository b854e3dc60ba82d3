import type { AliasShape } from './index-shape.ts';
import { sameJson } from './json-tree.ts';

type Aliases = Readonly<Record<string, AliasShape>>;

/** An alias as the follower has it: everything but the write flag, since nothing writes through a follower's alias. */
export function followerAlias(leader: AliasShape): AliasShape {
  const { filter, index_routing, search_routing, is_hidden } = leader;
  return {
    ...(filter === undefined ? {} : { filter }),
    ...(index_routing === undefined ? {} : { index_routing }),
    ...(search_routing === undefined ? {} : { search_routing }),
    ...(is_hidden === undefined ? {} : { is_hidden }),
    is_write_index: false,
  };
}

/** A follower cannot carry its own name as an alias. */
export function followerAliases(leader: Aliases, followerIndex: string): Record<string, AliasShape> {
  return Object.fromEntries(
    Object.entries(leader).flatMap(([name, alias]) => (name === followerIndex ? [] : [[name, followerAlias(alias)]])),
  );
}

export interface AliasChange {
  readonly name: string;
  readonly action: Record<string, unknown>;
}

/**
 * Adds what is missing, overwrites what differs, removes what the leader dropped if it came from the leader (`copied`). Aliases that somebody gave the
 * follower itself stay, unlike in cross-cluster replication: they are how readers are moved over to it.
 */
export function diffAliases(request: {
  leader: Aliases;
  follower: Aliases;
  followerIndex: string;
  copied: readonly string[];
}): readonly AliasChange[] {
  const { leader, follower, followerIndex: index, copied } = request;
  const wanted = followerAliases(leader, index);
  const changes: AliasChange[] = [];
  for (const [name, alias] of Object.entries(wanted)) {
    const found = follower[name];
    if (found === undefined || !sameJson(followerAlias(found), alias) || found.is_write_index !== false)
      changes.push({ name, action: { add: { index, alias: name, ...alias } } });
  }
  for (const name of copied) {
    if (follower[name] !== undefined && wanted[name] === undefined)
      changes.push({ name, action: { remove: { index, alias: name } } });
  }
  return changes;
}
