import type { Fault } from './faults.ts';

const REFERENCE = /\$\$\{|\$\{([^{}]*)(\}?)/g;

/**
 * The tree with every `${NAME}` in its texts replaced from the environment; `$${` gives a plain `${`. Keys are left as they are. What
 * cannot be replaced is a fault at its path, and never shown by value.
 */
export function substitute(
  tree: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly tree: unknown; readonly faults: readonly Fault[] } {
  const faults: Fault[] = [];
  function text(value: string, path: readonly PropertyKey[]): string {
    return value.replaceAll(REFERENCE, (whole: string, name: string | undefined, end: string | undefined) => {
      if (whole === '$${') return '${';
      if (name === undefined || end !== '}' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        faults.push({
          path,
          message: 'expected ${NAME} with the name of an environment variable (a plain ${ is written $${)',
        });
        return '';
      }
      const found = environment[name];
      if (found === undefined) faults.push({ path, message: `environment variable ${name} is not set` });
      return found ?? '';
    });
  }
  function walk(node: unknown, path: readonly PropertyKey[]): unknown {
    if (typeof node === 'string') return text(node, path);
    if (Array.isArray(node)) return node.map((item, at) => walk(item, [...path, at]));
    if (typeof node !== 'object' || node === null) return node;
    const copy: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(node)) {
      if (key === '__proto__') faults.push({ path: [...path, key], message: 'unknown key' });
      else copy[key] = walk(value, [...path, key]);
    }
    return copy;
  }
  return { tree: walk(tree, []), faults };
}
