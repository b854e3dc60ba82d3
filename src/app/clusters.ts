import type { ClusterConfig, Config } from '../config/config.ts';
import { failed } from '../domain/failure.ts';
import type { SearchClientOptions } from '../infra/search/client.ts';
import { openCluster, type OpenCluster } from '../infra/search/open-cluster.ts';
import type { RequestGate } from '../ports/request-gate.ts';
import { systemClock } from '../infra/system/clock.ts';

export function openConfigured(cluster: ClusterConfig, gate?: RequestGate): OpenCluster {
  const { name, urls, auth, caPem, compression, requestTimeoutMs, maxConnections, readRateLimitBytesPerSecond } =
    cluster;
  const options: SearchClientOptions = {
    name,
    url: urls,
    auth: auth.kind === 'apiKey' ? { kind: 'apiKey', encoded: auth.apiKey } : auth,
    caPem,
    compression,
    requestTimeoutMs,
    maxConnections,
    ...(readRateLimitBytesPerSecond === undefined
      ? {}
      : { rateLimit: { bytesPerSecond: readRateLimitBytesPerSecond } }),
    clock: systemClock,
  };
  return openCluster(options, gate);
}

export function configuredCluster(config: Config, name: string): ClusterConfig {
  const cluster = config.clusters.get(name);
  if (cluster !== undefined) return cluster;
  const known = [...config.clusters.keys()].join(', ');
  throw failed('unknown_cluster', {
    op: 'find cluster',
    reason: `there is no cluster ${name} in ${config.path}; it names ${known === '' ? 'none' : known}`,
  });
}
