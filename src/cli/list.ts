import { indexKey } from '../domain/names.ts';
import type { Command } from './command.ts';
import { withControl } from './outcome.ts';
import { NOTHING_FOLLOWED } from './status-view.ts';
import { renderTable, type Column } from './table.ts';
import { shownTarget } from './targets.ts';
import { oneLine, painter } from './text.ts';

const COLUMNS: readonly Column[] = [
  { title: 'FOLLOWER', align: 'left', minWidth: 12, droppable: 0 },
  { title: 'LEADER', align: 'left', minWidth: 12, droppable: 2 },
  { title: 'STATE', align: 'left', minWidth: 8, droppable: 0 },
  { title: 'SHARDS', align: 'right', droppable: 1 },
  { title: 'ALIGNED', align: 'left', droppable: 3 },
];

export const list: Command = {
  name: 'list',
  summary: 'List what is followed, one line for each index.',
  usage: '',
  positionals: { min: 0, max: 0 },
  flags: [],
  examples: [['slipstream list --json', 'for scripts']],
  async run(context) {
    const { deps, say, answer } = context;
    const found = await withControl(context, ({ control }) => control.list());
    const indices = found.toSorted((a, b) => (indexKey(a.follower) < indexKey(b.follower) ? -1 : 1));
    answer({ indices });
    if (indices.length === 0) say(NOTHING_FOLLOWED);
    else {
      const rows = indices.map(({ follower, leader, state, shards, aligned }) =>
        [
          shownTarget({ follower }),
          shownTarget({ follower: leader }),
          oneLine(state),
          String(shards),
          aligned === null ? '-' : aligned ? 'yes' : 'no',
        ].map((text) => ({ text })),
      );
      say(`${renderTable(COLUMNS, rows, deps.columns(), painter(deps)).join('\n')}\n`);
      for (const { follower, failure } of indices)
        if (failure !== undefined) say(`${shownTarget({ follower })} next: ${oneLine(failure.hint)}\n`);
    }
    return 'ok';
  },
};
