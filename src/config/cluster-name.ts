/** A leading letter or digit keeps names apart from flags and from JavaScript's own property names. */
export const CLUSTER_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const CLUSTER_NAME_RULE =
  'a cluster name is made of a-z, 0-9, _ and - and starts with a letter or digit (64 at most)';
