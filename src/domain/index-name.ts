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
