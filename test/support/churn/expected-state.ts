/**
 * What an index must hold after the operations that it acknowledged. Writers run at once, so the order of the operations on one document is that of
 * their sequence numbers, not of their answers.
 */
export type AcknowledgedChange =
  | { readonly kind: 'put'; readonly routing: string | undefined; readonly source: string }
  | { readonly kind: 'delete' }
  /** Leaves the document's routing as it is. */
  | { readonly kind: 'patch'; readonly fields: Readonly<Record<string, unknown>> };

interface History {
  /** The last operation that says everything about the document. */
  base: { readonly seqNo: number; readonly change: Exclude<AcknowledgedChange, { kind: 'patch' }> } | undefined;
  /** Partial updates after it, in no order. */
  patches: { readonly seqNo: number; readonly change: Extract<AcknowledgedChange, { kind: 'patch' }> }[];
  lastSeqNo: number;
}

export interface ExpectedDocument {
  readonly routing: string | undefined;
  /** Parsed: a partial update lets the server write the document anew. */
  readonly source: Readonly<Record<string, unknown>>;
}

export interface ExpectedState {
  /** @param place the document's shard (where several routings share ids) and id. */
  acknowledge(place: string, seqNo: number, change: AcknowledgedChange): void;
  /** An operation whose answer is not known: nothing can be said of this document any more. */
  doubt(place: string): void;
  /** `never`: no operation acknowledged yet. */
  presence(place: string): 'present' | 'deleted' | 'never';
  /** Without the documents in doubt. */
  documents(): Map<string, ExpectedDocument>;
  readonly inDoubt: ReadonlySet<string>;
}

export function createExpectedState(): ExpectedState {
  const histories = new Map<string, History>();
  const inDoubt = new Set<string>();
  return {
    inDoubt,
    acknowledge(place, seqNo, change) {
      let history = histories.get(place);
      if (history === undefined) histories.set(place, (history = { base: undefined, patches: [], lastSeqNo: -1 }));
      history.lastSeqNo = Math.max(history.lastSeqNo, seqNo);
      const baseSeqNo = history.base?.seqNo ?? -1;
      if (seqNo < baseSeqNo) return;
      if (change.kind === 'patch') {
        history.patches.push({ seqNo, change });
        return;
      }
      history.base = { seqNo, change };
      history.patches = history.patches.filter((patch) => patch.seqNo > seqNo);
    },
    doubt: (place) => void inDoubt.add(place),
    presence(place) {
      const history = histories.get(place);
      if (history === undefined) return 'never';
      return history.base?.change.kind === 'delete' && history.patches.length === 0 ? 'deleted' : 'present';
    },
    documents() {
      const documents = new Map<string, ExpectedDocument>();
      for (const [place, { base, patches }] of histories) {
        if (inDoubt.has(place) || base === undefined || base.change.kind === 'delete') continue;
        const source = JSON.parse(base.change.source) as Record<string, unknown>;
        for (const { change } of patches.toSorted((a, b) => a.seqNo - b.seqNo)) Object.assign(source, change.fields);
        documents.set(place, { routing: base.change.routing, source });
      }
      return documents;
    },
  };
}
