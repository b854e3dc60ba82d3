import type { ClusterConfig, Config } from '../config/config.ts';
import { failed } from '../domain/failure.ts';
import { openCluster, type OpenCluster } from '../infra/search/open-cluster.ts';
import { systemClock } from '../infra/system/clock.ts';

export function openConfigured(cluster: ClusterConfig): OpenCluster {
  const { name, urls, auth, caPem, compression, requestTimeoutMs, maxConnections, readRateLimitBytesPerSecond } =
    cluster;
  return openCluster({
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
  });
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
