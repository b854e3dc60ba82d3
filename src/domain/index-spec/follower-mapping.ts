import { type FollowerMark, metaWith } from './follower-mark.ts';
import type { Json } from './index-shape.ts';
import { isRecord, sameJson } from './json-tree.ts';

/** Root parameters that a mapping keeps until told otherwise, with the values that say otherwise. Clusters may leave out or print a default. */
const rootDefaults: Readonly<Record<string, unknown>> = {
  dynamic: 'true',
  date_detection: true,
  numeric_detection: false,
  dynamic_templates: [],
  dynamic_date_formats: ['strict_date_optional_time', 'yyyy/MM/dd HH:mm:ss Z||yyyy/MM/dd Z'],
};

export function followerMappings(leader: Json, mark: FollowerMark): Record<string, unknown> {
  return { ...leader, _meta: metaWith(leader['_meta'], mark) };
}

/**
 * What to put so that the follower's mapping says what the leader's says; undefined when it does. A put mapping adds and replaces; what the leader dropped
 * at the root (dynamic templates, runtime fields, date detection ...) is reset by name. Fields cannot be removed from a mapping, on the leader neither.
 */
export function mappingToPut(request: {
  leader: Json;
  follower: Json;
  mark: FollowerMark;
}): Record<string, unknown> | undefined {
  const { leader, follower, mark } = request;
  const wanted = followerMappings(leader, mark);
  if (partDifferences(wanted, follower).every(({ name, how }) => how === 'added' && name.startsWith('properties.')))
    return undefined;
  const dropped = isRecord(follower['runtime'])
    ? Object.fromEntries(Object.keys(follower['runtime']).map((name) => [name, null]))
    : {};
  const runtime = { ...dropped, ...(isRecord(leader['runtime']) ? leader['runtime'] : {}) };
  return {
    ...Object.fromEntries(Object.entries(rootDefaults).filter(([key]) => key in follower && !(key in leader))),
    ...wanted,
    ...(Object.keys(runtime).length === 0 ? {} : { runtime }),
  };
}

export interface PartDifference {
  /** Path from the root, e.g. `_source`, `runtime.day` or `properties.city.fields.raw`. */
  readonly name: string;
  readonly how: 'added' | 'changed' | 'missing';
}

/** Where a mapping differs from the one asked for, field by field. */
export function partDifferences(asked: Json, found: Json): readonly PartDifference[] {
  const [one, other] = [new Map(parts(asked)), new Map(parts(found))];
  const differences: PartDifference[] = [];
  for (const [name, value] of one) {
    if (!other.has(name)) differences.push({ name, how: 'missing' });
    else if (!sameJson(value, other.get(name))) differences.push({ name, how: 'changed' });
  }
  for (const name of other.keys()) if (!one.has(name)) differences.push({ name, how: 'added' });
  return differences;
}

/** A mapping as a flat list: root parameters that are not default, runtime fields, fields. A field's own subfields are parts of their own. */
function* parts(mappings: Json): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(mappings)) {
    if (key === 'properties') yield* fieldParts(value, 'properties.');
    else if (key === 'runtime')
      for (const [name, field] of Object.entries(isRecord(value) ? value : {})) yield [`runtime.${name}`, field];
    else if (!(key in rootDefaults)) yield [key, value];
    else if (!sameJson(plain(value), plain(rootDefaults[key]))) yield [key, plain(value)];
  }
}

function* fieldParts(fields: unknown, path: string): Generator<[string, unknown]> {
  for (const [name, field] of Object.entries(isRecord(fields) ? fields : {})) {
    if (!isRecord(field)) continue;
    const { properties, fields: subfields, ...own } = field;
    yield [path + name, own];
    yield* fieldParts(properties, `${path}${name}.properties.`);
    yield* fieldParts(subfields, `${path}${name}.fields.`);
  }
}

/** `true` and `"true"` are one value to a cluster. */
function plain(value: unknown): unknown {
  return typeof value === 'boolean' ? String(value) : value;
}

/** A part that changes which documents are taken or what they keep, and that a put mapping cannot take back. */
export function isHarmfulPart(name: string, found: Json): boolean {
  const value = found[name];
  if (!isRecord(value)) return false;
  if (name === '_routing') return String(value['required']) === 'true';
  if (name !== '_source') return false;
  const filtered = ['includes', 'excludes'].some((part) => [value[part] ?? []].flat().length > 0);
  return (
    filtered ||
    String(value['enabled']) === 'false' ||
    !['undefined', 'stored'].includes(String(value['mode']).toLowerCase())
  );
}
