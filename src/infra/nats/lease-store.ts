import type { NatsConnection } from '@nats-io/nats-core';
import type { LeaseStore } from '../../ports/lease-store.ts';

export interface LeaseStoreOptions {
  /** That of the journal; the leases stand in a stream of their own beside it. */
  readonly stream: string;
  /** Of the subjects: `<prefix>.<key>`. */
  readonly prefix: string;
  readonly replicas?: number | undefined;
  readonly requestTimeoutMs?: number | undefined;
  /** Wall clock: revisions begin there, so that a store that was lost and made anew gives none a second time. */
  readonly nowMs: () => number;
}

export function leasesStream(journalStream: string): string {
  return `${journalStream}_LEASES`;
}

/** Opens the store, creating its stream when it is missing. */
export async function openLeaseStore(_nc: NatsConnection, _options: LeaseStoreOptions): Promise<LeaseStore> {
  throw new Error('not yet');
}
