import { z } from 'zod';
import { failed } from '../../domain/failure.ts';
import type { ClusterInspection } from '../../ports/cluster-inspection.ts';
import type { SearchClient } from './client.ts';
import { ask } from './json-answer.ts';

const nodeTimes = z.object({ nodes: z.record(z.string(), z.object({ timestamp: z.number() })) });
const granted = z.record(z.string(), z.boolean());
const privileges = z.union([
  z.object({ cluster: granted, index: z.record(z.string(), granted) }),
  // 9.4.3 with security off: 400 "no handler found", the error being a text.
  z.object({ error: z.unknown() }),
]);

export function createClusterInspection(client: SearchClient): ClusterInspection {
  return {
    async nowMs(signal) {
      const op = `${client.name} clock`;
      const query = { filter_path: 'nodes.*.timestamp' };
      const request = { op, method: 'GET', path: '/_nodes/_local/stats/os', query, effect: 'read' } as const;
      const [node] = Object.values((await ask(client, request, nodeTimes, signal)).nodes);
      if (node === undefined)
        throw failed('unexpected_answer', { op, cluster: client.name, reason: 'no node told its time' });
      return node.timestamp;
    },
    async lacking({ cluster, indices }, signal) {
      const request = {
        op: `${client.name} privileges`,
        method: 'POST',
        path: '/_security/user/_has_privileges',
        body: JSON.stringify({ cluster, index: indices }),
        effect: 'read',
        accept: [400, 404, 405],
      } as const;
      const answer = await ask(client, request, privileges, signal);
      if ('error' in answer) return undefined;
      const refused = (all: Readonly<Record<string, boolean>>): readonly string[] =>
        Object.keys(all).filter((name) => all[name] === false);
      return [
        ...refused(answer.cluster).map((name) => `${name} on the cluster`),
        ...Object.entries(answer.index).flatMap(([index, all]) => refused(all).map((name) => `${name} on ${index}`)),
      ];
    },
  };
}
