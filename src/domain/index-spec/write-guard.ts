/** One ingest pipeline for all followers of a cluster. As `index.default_pipeline` it meets every outside call that indexes; ours say `pipeline=_none`. */
export const GUARD_PIPELINE = 'slipstream-guard';

/** In place of a pipeline: none. */
export const NO_PIPELINE = '_none';

export const GUARD_MESSAGE =
  "this index is a follower kept by Slipstream and takes no other writes; its leader's cluster and index stand in its mapping under _meta.slipstream.leader. Unfollow it to write to it.";

// The message is constant: templates in it need a module (lang-mustache) that a cluster may lack, and would then be shown as they are.
export const GUARD_BODY = {
  description:
    'Refuses writes to follower indices. Set by Slipstream as their default_pipeline; do not delete it while there are followers.',
  processors: [{ fail: { message: GUARD_MESSAGE } }],
  _meta: { managed_by: 'slipstream' },
} as const;
