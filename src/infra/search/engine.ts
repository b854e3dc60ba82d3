import { z } from 'zod';
import { type Capabilities, capabilitiesOf, type Engine } from './capabilities.ts';
import type { SearchClient } from './client.ts';
import { ask } from './json-answer.ts';

export interface EngineIdentity extends Engine {
  readonly clusterUuid: string;
}

/** What the cluster says it is; asked at first use, and again by every `identify` (a cluster may be upgraded under us). */
export interface EngineProbe {
  identify(signal: AbortSignal): Promise<EngineIdentity>;
  capabilities(signal: AbortSignal): Promise<Capabilities>;
  /** Undefined until the cluster has answered once. */
  readonly known: Capabilities | undefined;
}

const rootAnswer = z.object({
  cluster_uuid: z.string(),
  version: z.object({ number: z.string(), distribution: z.string().optional() }),
});

export function createEngineProbe(client: SearchClient): EngineProbe {
  let known: Capabilities | undefined;
  async function identify(signal: AbortSignal): Promise<EngineIdentity> {
    const { cluster_uuid: clusterUuid, version } = await ask(
      client,
      { op: `${client.name} identify`, method: 'GET', path: '/', effect: 'read' },
      rootAnswer,
      signal,
    );
    const identity = {
      clusterUuid,
      version: version.number,
      distribution: version.distribution === 'opensearch' ? 'opensearch' : 'elasticsearch',
    } as const;
    known = capabilitiesOf(identity);
    return identity;
  }
  return {
    identify,
    async capabilities(signal) {
      return known ?? capabilitiesOf(await identify(signal));
    },
    get known() {
      return known;
    },
  };
}
