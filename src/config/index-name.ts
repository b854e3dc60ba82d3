/**
 * Why a text cannot be the name of a concrete index, by the rules of Elasticsearch's create index API; undefined when it can.
 * `:` is refused too: it separates clusters from indices.
 */
export function indexNameFault(name: string): string | undefined {
  if (name === '') return 'an index name is empty';
  if (name === '.' || name === '..') return 'an index name cannot be . or ..';
  if (/^[-_+]/.test(name)) return 'an index name cannot start with -, _ or +';
  const illegal = /[\\/*?"<>| ,#:\p{Cc}]/u.exec(name);
  if (illegal !== null)
    return `an index name cannot hold ${JSON.stringify(illegal[0])}${'*?,'.includes(illegal[0]) ? ' (patterns and lists are not followed)' : ''}`;
  if (name !== name.toLowerCase()) return 'an index name is in lower case';
  if (!name.isWellFormed()) return 'an index name is well-formed Unicode';
  if (new TextEncoder().encode(name).byteLength > 255) return 'an index name has at most 255 bytes';
  return undefined;
}

/** A leading letter or digit keeps names apart from flags and from JavaScript's own property names. */
export const CLUSTER_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const CLUSTER_NAME_RULE =
  'a cluster name is made of a-z, 0-9, _ and - and starts with a letter or digit (64 at most)';
