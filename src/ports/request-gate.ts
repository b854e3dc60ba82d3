/** Stands before every request to one cluster. */
export interface RequestGate {
  /**
   * Sends, unless the cluster is known to be away: then it throws `Failed` with the cause at once, and nothing was sent. A failure that may be
   * one of the whole cluster is thrown only when it is known whether it is.
   */
  pass<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T>;
}
