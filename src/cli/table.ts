import { displayWidth, truncate, type Colour, type Paint } from './text.ts';

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** Narrower than this it is not cut; absent: never cut. */
  readonly minWidth?: number;
  /** The column with the greatest number goes first when there is no room; 0: stays. */
  readonly droppable: number;
}

export interface Cell {
  readonly text: string;
  readonly colour?: Colour;
}

const GAP = '  ';

interface Fitted {
  readonly column: Column;
  readonly at: number;
  width: number;
}

const total = (columns: readonly Fitted[]): number =>
  columns.reduce((sum, { width }) => sum + width, 0) + GAP.length * Math.max(0, columns.length - 1);

/** Cuts what may be cut, widest first, then drops what may be dropped, until the table is no wider than `width`. */
function fit(all: readonly Fitted[], width: number): readonly Fitted[] {
  let columns = all.map((column) => ({ ...column }));
  for (;;) {
    const slack = columns.reduce((sum, { column, width: own }) => sum + Math.max(0, own - (column.minWidth ?? own)), 0);
    const droppable = columns.toSorted((a, b) => b.column.droppable - a.column.droppable)[0];
    if (total(columns) - slack <= width || droppable === undefined || droppable.column.droppable === 0) break;
    columns = columns.filter((column) => column !== droppable);
  }
  while (total(columns) > width) {
    const widest = columns
      .filter(({ column, width: own }) => own > (column.minWidth ?? own))
      .toSorted((a, b) => b.width - a.width)[0];
    if (widest === undefined) break;
    widest.width -= 1;
  }
  return columns;
}

/** Lines without trailing blanks, the first being the titles. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  paint: Paint,
): readonly string[] {
  const natural = columns.map((column, at) => ({
    column,
    at,
    width: Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[at]?.text ?? ''))),
  }));
  const fitted = fit(natural, width);
  const line = (cellOf: (at: number) => Cell): string => {
    const parts = fitted.map(({ column, at, width: own }, position) => {
      const { text, colour } = cellOf(at);
      const shown = truncate(text, own);
      const padding = ' '.repeat(Math.max(0, own - displayWidth(shown)));
      const painted = colour === undefined ? shown : paint(colour, shown);
      if (column.align === 'right') return padding + painted;
      return position === fitted.length - 1 ? painted : painted + padding;
    });
    return parts.join(GAP).trimEnd();
  };
  return [
    line((at) => ({ text: columns[at]?.title ?? '', colour: 'bold' })),
    ...rows.map((row) => line((at) => row[at] ?? { text: '' })),
  ];
}
