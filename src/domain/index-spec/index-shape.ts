/** Settings as a flat map (`include_defaults` and `flat_settings`): full keys, values as the cluster prints them. */
export type FlatSettings = Readonly<Record<string, string | readonly string[]>>;

export type Json = Readonly<Record<string, unknown>>;

export interface AliasShape {
  readonly filter?: unknown;
  readonly index_routing?: string;
  readonly search_routing?: string;
  readonly is_write_index?: boolean;
  readonly is_hidden?: boolean;
}

/** What the rules need to know of an index; the description that the admin port gives has this shape. */
export interface IndexShape {
  readonly name: string;
  readonly uuid: string;
  readonly state: 'open' | 'close';
  readonly settings: FlatSettings;
  readonly defaults: FlatSettings;
  readonly mappings: Json;
  readonly aliases: Readonly<Record<string, AliasShape>>;
}

/** What `PUT /{index}` takes. */
export interface IndexBody {
  readonly settings: Record<string, unknown>;
  readonly mappings: Record<string, unknown>;
  readonly aliases: Record<string, unknown>;
}
