/** A follower index: the key of one replication. An index name is unique in its cluster, so a name is taken once. */
export interface FollowerIndexRef {
  readonly cluster: string;
  readonly index: string;
}

export interface IndexRef {
  readonly cluster: string;
  readonly index: string;
}

/** One leader shard and its image in the follower index. `shard` is the leader's shard number. */
export interface PairRef {
  readonly follower: FollowerIndexRef;
  readonly shard: number;
}

/** Cluster names are checked by the configuration to be `[a-z0-9_-]+`; a `/` cannot stand in an index name. */
export function indexKey(ref: IndexRef): string {
  return `${ref.cluster}/${ref.index}`;
}

/** As commands take it and people read it. */
export function shownIndex(ref: IndexRef): string {
  return `${ref.cluster}:${ref.index}`;
}

export function shownPair(pair: PairRef): string {
  return `${shownIndex(pair.follower)}/${pair.shard}`;
}

export function pairKey(pair: PairRef): string {
  return `${indexKey(pair.follower)}/${pair.shard}`;
}

/**
 * An index name as one NATS subject token. Legal index names may hold `.`, `*`-free but otherwise nearly any Unicode, while a token may hold no
 * `.`, `*`, `>`, space or control character. Every byte of the UTF-8 form outside `[A-Za-z0-9_-]` becomes `=XX` (upper-case hex).
 * One-to-one: `=` itself is encoded.
 */
export function subjectToken(name: string): string {
  let token = '';
  for (const byte of new TextEncoder().encode(name)) {
    const plain =
      (byte >= 48 && byte <= 57) ||
      (byte >= 65 && byte <= 90) ||
      (byte >= 97 && byte <= 122) ||
      byte === 95 ||
      byte === 45;
    token += plain ? String.fromCharCode(byte) : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return token;
}

export function nameFromToken(token: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at += 1) {
    if (token[at] === '=') {
      bytes.push(Number.parseInt(token.slice(at + 1, at + 3), 16));
      at += 2;
    } else bytes.push(token.charCodeAt(at));
  }
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
