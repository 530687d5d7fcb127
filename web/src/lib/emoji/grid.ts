// Where the arrow keys go in several grids, one below the other, that are walked through as one.

/**
 * The cell a key leads to, counted through all grids; -1 for up and out of the first row; undefined for a key that moves nothing.
 * `lengths` are the numbers of cells of the grids.
 */
export function gridMove(key: string, at: number, lengths: readonly number[], columns: number, rtl: boolean): number | undefined {
  const rows: { begin: number; end: number }[] = [];
  let begin = 0;
  for (const length of lengths) {
    for (let offset = 0; offset < length; offset += columns) rows.push({ begin: begin + offset, end: begin + Math.min(length, offset + columns) });
    begin += length;
  }
  const count = begin;
  if (count === 0) return undefined;
  const rowIndex = rows.findIndex((row) => at < row.end);
  const row = rows[rowIndex];
  if (!row) return undefined;
  const column = at - row.begin;
  const inRow = (index: number): number => {
    const target = rows[index];
    return target ? Math.min(target.end - 1, target.begin + column) : at;
  };
  switch (key) {
    case 'ArrowRight':
      return clamp(at + (rtl ? -1 : 1), count);
    case 'ArrowLeft':
      return clamp(at + (rtl ? 1 : -1), count);
    case 'ArrowDown':
      return inRow(rowIndex + 1);
    case 'ArrowUp':
      return rowIndex === 0 ? -1 : inRow(rowIndex - 1);
    case 'PageDown':
      return inRow(Math.min(rows.length - 1, rowIndex + 5));
    case 'PageUp':
      return inRow(Math.max(0, rowIndex - 5));
    case 'Home':
      return row.begin;
    case 'End':
      return row.end - 1;
    default:
      return undefined;
  }
}

const clamp = (index: number, count: number): number => Math.max(0, Math.min(count - 1, index));
