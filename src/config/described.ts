import { z } from 'zod';
import { fileSchema } from './schema.ts';

/** The part of a JSON Schema node that is used to describe the file. */
export interface Described {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Described | boolean;
  readonly items?: Described;
  /** Type and bounds in words. */
  readonly shown?: string;
  readonly secret?: boolean;
}

/** The schema of the file as it is written. */
export const describedFile = (): Described =>
  z.toJSONSchema(fileSchema, { io: 'input', unrepresentable: 'any' }) as Described;

/** The keys that may stand at a path. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let node: Described | undefined = describedFile();
  for (const segment of path) {
    const under: Described | boolean | undefined =
      typeof segment === 'number' ? node?.items : (node?.properties?.[String(segment)] ?? node?.additionalProperties);
    node = typeof under === 'object' ? under : undefined;
  }
  return Object.keys(node?.properties ?? {});
}
