/** Privileges of the key in use, by the cluster's own names. */
export interface PrivilegeNeeds {
  readonly cluster: readonly string[];
  readonly indices: readonly { readonly names: readonly string[]; readonly privileges: readonly string[] }[];
}

/** What `doctor` asks a cluster, and nothing else does. Errors: `Failed`. */
export interface ClusterInspection {
  /** Milliseconds since the epoch by the clock of a node. */
  nowMs(signal: AbortSignal): Promise<number>;
  /** Those that the key lacks, as `read on cities`, `monitor on the cluster`; undefined where the cluster has no security. */
  lacking(needs: PrivilegeNeeds, signal: AbortSignal): Promise<readonly string[] | undefined>;
}
