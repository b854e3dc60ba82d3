import type { Config } from './config.ts';

function isLoopback(address: string): boolean {
  const host = URL.parse(address)?.hostname ?? '';
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isOpen(address: string): boolean {
  return /^(http|nats):/i.test(address) && !isLoopback(address);
}

/** Legal but unwise: secrets that travel in clear, settings that have no effect. */
export function warningsOf(config: Omit<Config, 'warnings'>): readonly string[] {
  const warnings: string[] = [];
  for (const { name, urls, auth, caPem } of config.clusters.values()) {
    for (const url of urls.filter(isOpen))
      if (auth.kind !== 'none') warnings.push(`clusters.${name}: credentials travel in clear to ${url}; use https`);
    if (caPem !== undefined && urls.every((url) => url.startsWith('http:')))
      warnings.push(`clusters.${name}: caFile has no effect on http addresses`);
  }
  const { servers, auth } = config.nats;
  for (const server of servers.filter(isOpen))
    if (auth.kind !== 'none' && auth.kind !== 'credentials' && auth.kind !== 'nkey')
      warnings.push(`nats: credentials travel in clear to ${server}; use tls, unless that server upgrades to it`);
  return warnings;
}
