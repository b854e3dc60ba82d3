/** One kind of index, with documents that show what is peculiar to it. */
import type { FollowParameters } from '../../../src/domain/parameters.ts';

export interface Document {
  /** The leader makes one unless told. */
  readonly id?: string;
  readonly routing?: string;
  readonly source: string | Uint8Array<ArrayBuffer>;
  /** Media type of the source, JSON unless told. */
  readonly type?: string;
  /** What the follower has to return, where that is not what the leader returns. */
  readonly copied?: string;
}

export interface Kind {
  readonly name: string;
  /** Body of the leader's creation; one shard and no replicas unless it says otherwise. */
  readonly index?: { readonly settings?: object; readonly mappings?: object };
  /** Those at even places come before the follow, the others while the index is followed. */
  readonly documents: readonly Document[];
  /** Puts over documents that are there. Unless told, every document gets the content of the one before it. */
  readonly changes?: readonly Document[];
  /** Places of the documents that are deleted afterwards; unless told, the first. */
  readonly deletes?: readonly number[];
  readonly parameters?: Partial<FollowParameters>;
  /** The leader keeps what it was sent, and returns another form of it. */
  readonly rebuilt?: boolean;
  /** Only in the long version of the test. */
  readonly long?: boolean;
}

export function json(id: string, source: unknown, routing?: string): Document {
  return { id, source: JSON.stringify(source), ...(routing === undefined ? {} : { routing }) };
}

/** The documents themselves and their contents in turn, for kinds where any document may have any content. */
export function turned(documents: readonly Document[]): readonly Document[] {
  return documents.map(({ id, routing }, at) => {
    const { source, type, copied } = documents.at(at - 1) ?? { source: '{}' };
    return {
      source,
      ...(id === undefined ? {} : { id }),
      ...(routing === undefined ? {} : { routing }),
      ...(type === undefined ? {} : { type }),
      ...(copied === undefined ? {} : { copied }),
    };
  });
}
