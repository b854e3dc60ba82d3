import type { View } from '../../ports/search-cluster.ts';
import type { ClusterRequest } from './client.ts';
import { pathOf } from './json-answer.ts';
import { WHOLE_SEARCH_QUERY } from './search-answer.ts';

/** What a search looks at: a fixed view, or the present state by a preference. */
export type SearchTarget =
  | { readonly kind: 'view'; readonly view: View }
  | { readonly kind: 'now'; readonly index: string; readonly preference: string };

/** How long a view lives after its last use: longer than any pause between two pages under back-pressure, short enough not to pin segments for long. */
export const KEEP_ALIVE = '2m';

export function searchTarget(op: string, target: SearchTarget, body: Record<string, unknown>): ClusterRequest {
  if (target.kind === 'view') {
    const pit = { id: target.view.id, keep_alive: KEEP_ALIVE };
    return {
      op,
      method: 'POST',
      path: '/_search',
      query: WHOLE_SEARCH_QUERY,
      body: JSON.stringify({ ...body, pit }),
      effect: 'read',
    };
  }
  const query = { ...WHOLE_SEARCH_QUERY, preference: target.preference };
  return {
    op,
    method: 'POST',
    path: `${pathOf(target.index)}/_search`,
    query,
    body: JSON.stringify(body),
    effect: 'read',
  };
}
