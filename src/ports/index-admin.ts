/** JSON objects as the cluster gives them; settings flat (`index.analysis...` keys with string or string[] values). */
export type FlatSettings = Readonly<Record<string, string | readonly string[]>>;

export interface AliasDefinition {
  readonly filter?: unknown;
  readonly index_routing?: string;
  readonly search_routing?: string;
  readonly is_write_index?: boolean;
  readonly is_hidden?: boolean;
}

/** An index as `GET /{index}` describes it. */
export interface IndexDescription {
  readonly name: string;
  readonly uuid: string;
  readonly state: 'open' | 'close';
  /** Of the cluster state, read before the rest, which is of these versions or of later ones. */
  readonly versions: { readonly mapping: number; readonly settings: number; readonly aliases: number };
  readonly settings: FlatSettings;
  /** Defaults of settings not set (`include_defaults`). */
  readonly defaults: FlatSettings;
  readonly mappings: Readonly<Record<string, unknown>>;
  readonly aliases: Readonly<Record<string, AliasDefinition>>;
}

export type NameKind = 'index' | 'alias' | 'data_stream' | 'missing';

/** What a reader's key hides from it, if the cluster has security. */
export type ReaderView = 'whole' | 'document_level_security' | 'field_level_security';

/** Creating and keeping indices in step, and the questions asked before a follow is accepted. Errors: `Failed`. */
export interface IndexAdmin {
  readonly name: string;
  /** The cluster answers and accepts the credentials; gives its uuid, to tell two names of one cluster. */
  identify(
    signal: AbortSignal,
  ): Promise<{ clusterUuid: string; version: string; distribution: 'elasticsearch' | 'opensearch' }>;
  kindOf(name: string, signal: AbortSignal): Promise<NameKind>;
  /** Undefined when the index does not exist. */
  describe(index: string, signal: AbortSignal): Promise<IndexDescription | undefined>;
  /** Names of the indices in whose mapping a mark of Slipstream stands, readable or not. */
  markedIndices(signal: AbortSignal): Promise<readonly string[]>;
  readerView(index: string, signal: AbortSignal): Promise<ReaderView>;
  /** Shard number that each routing value is sent to. */
  shardsOf(index: string, routingValues: readonly string[], signal: AbortSignal): Promise<readonly number[]>;
  createIndex(
    index: string,
    body: { settings: Record<string, unknown>; mappings: Record<string, unknown>; aliases: Record<string, unknown> },
    signal: AbortSignal,
  ): Promise<void>;
  putMapping(index: string, mappings: Record<string, unknown>, signal: AbortSignal): Promise<void>;
  /** Values of null reset a setting. */
  putSettings(index: string, settings: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<void>;
  updateAliases(actions: readonly Record<string, unknown>[], signal: AbortSignal): Promise<void>;
  putPipeline(id: string, body: Record<string, unknown>, signal: AbortSignal): Promise<void>;
  close(index: string, signal: AbortSignal): Promise<void>;
  open(index: string, signal: AbortSignal): Promise<void>;
  /** Waits until every primary shard of the index is active, at most `timeoutMs`. */
  awaitPrimaries(index: string, timeoutMs: number, signal: AbortSignal): Promise<void>;
}
