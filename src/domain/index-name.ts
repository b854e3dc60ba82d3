/**
 * Names that Elasticsearch accepts for an index (its rules since version 7, the same in OpenSearch). Gives what is wrong, or undefined.
 * Wildcards, comma lists, date mathematics and `_all` are no names.
 */
export function indexNameFault(name: string): string | undefined {
  if (name === '') return 'must not be empty';
  const forbidden = /[\\/*?"<>| ,#:]/.exec(name);
  if (forbidden !== null) return `must not contain ${JSON.stringify(forbidden[0])}; a command names one index`;
  if (name === '.' || name === '..') return 'must not be . or ..';
  if (/^[-_+]/.test(name)) return `must not start with ${JSON.stringify(name.slice(0, 1))}`;
  if (name !== name.toLowerCase()) return 'must be lower case';
  if (!name.isWellFormed()) return 'must be well-formed Unicode';
  const sizeBytes = new TextEncoder().encode(name).length;
  return sizeBytes > 255 ? `must have at most 255 bytes in UTF-8, and has ${sizeBytes}` : undefined;
}

/** Like `indexNameFault` of a name in which `*` stands for any characters, also for none. */
export function indexPatternFault(pattern: string): string | undefined {
  return indexNameFault(pattern.replaceAll('*', 'x'));
}

export function isPattern(index: string): boolean {
  return index.includes('*');
}

/** Whether a name is one that the pattern means; a name without `*` means itself. */
export function indexMatcher(pattern: string): (name: string) => boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return (name) => name === pattern;
  return (name) => {
    if (!name.startsWith(first)) return false;
    let from = first.length;
    for (const part of rest) {
      const at = name.indexOf(part, from);
      if (at < 0) return false;
      from = at + part.length;
    }
    return name.length - last.length >= from && name.endsWith(last);
  };
}
