import { isMap, isScalar, isSeq, type Document, type LineCounter } from 'yaml';
import type { z } from 'zod';
import { keysAt } from './described.ts';
import { didYouMean } from './suggest.ts';

export interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** `clusters.paris.url`, `follow[0].leader`; keys that are no plain words stand in quotes. */
export function shownPath(path: readonly PropertyKey[]): string {
  let shown = '';
  for (const segment of path) {
    if (typeof segment === 'number') shown += `[${segment}]`;
    else if (/^[\w-]+$/.test(String(segment))) shown += `${shown === '' ? '' : '.'}${String(segment)}`;
    else shown += `[${JSON.stringify(String(segment))}]`;
  }
  return shown;
}

/** The line where a path stands, or the nearest enclosing one for what is missing. */
export function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const segment of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
      if (isScalar(pair?.key)) offset = pair.key.range?.[0] ?? offset;
      next = pair?.value;
    } else if (isSeq(node)) {
      next = node.items[Number(segment)];
      if (isMap(next) || isScalar(next) || isSeq(next)) offset = next.range?.[0] ?? offset;
    }
    node = next;
  }
  return lines.linePos(offset).line;
}

function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let node = tree;
  for (const segment of path)
    node = typeof node === 'object' && node !== null ? (node as Record<PropertyKey, unknown>)[segment] : undefined;
  return node;
}

/** One address may stand where a list may: its path is then without the `[0]` that the schema sees. */
function written(path: readonly PropertyKey[], tree: unknown): readonly PropertyKey[] {
  const parent = path.slice(0, -1);
  return path.at(-1) === 0 && !Array.isArray(valueAt(tree, parent)) ? parent : path;
}

function typeOf(value: unknown): string {
  if (value === null) return 'nothing';
  return Array.isArray(value)
    ? 'a list'
    : ({ object: 'a mapping', string: 'text', number: 'a number', boolean: 'true or false' }[typeof value as string] ??
        typeof value);
}

const EXPECTED: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

/** What the schema found, in our words; values never appear, since any of them may be a secret. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], tree: unknown): readonly Fault[] {
  return issues.flatMap((issue): readonly Fault[] => {
    const path = written(issue.path, tree);
    if (issue.code === 'unrecognized_keys') {
      const known = keysAt(path);
      return issue.keys.map((key) => ({
        path: [...path, key],
        message: `unknown key${didYouMean(key, known) || (known.length > 0 ? ` (known: ${known.join(', ')})` : '')}`,
      }));
    }
    if (issue.code === 'invalid_key') return [{ path, message: issue.issues[0]?.message ?? issue.message }];
    const value = valueAt(tree, path);
    if (value === undefined && issue.code !== 'custom') return [{ path, message: 'is missing' }];
    if (issue.code === 'invalid_type')
      return [{ path, message: `expected ${EXPECTED[issue.expected] ?? issue.expected}, found ${typeOf(value)}` }];
    if (issue.code === 'invalid_value')
      return [
        {
          path,
          message: `expected one of ${issue.values.map(String).join(', ')}${typeof value === 'string' ? didYouMean(value, issue.values.map(String)) : ''}`,
        },
      ];
    const { unknown, names } = issue.code === 'custom' ? (issue.params ?? {}) : {};
    if (typeof unknown === 'string' && Array.isArray(names))
      return [{ path, message: `${issue.message}${didYouMean(unknown, names)}` }];
    return [{ path, message: issue.message }];
  });
}
