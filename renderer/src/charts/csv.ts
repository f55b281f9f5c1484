/** One cell: quoted where it holds a separator, a quote or a line break. */
export function csvCell(value: string | number | null): string {
  if (value === null || (typeof value === 'number' && Number.isNaN(value))) return '';
  const text = String(value);
  return /[",\t\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvTable(header: readonly string[], rows: Iterable<readonly (string | number | null)[]>, separator = ','): string {
  const lines = [header.map(csvCell).join(separator)];
  for (const row of rows) lines.push(row.map(csvCell).join(separator));
  return `${lines.join('\n')}\n`;
}

/** Lines of one chart as one table (CSV, or with tabs for the clipboard): a row per distinct x, a column per line, empty where a line has no point. */
export function linesToCsv(xName: string, lines: readonly { name: string; x: ArrayLike<number>; y: ArrayLike<number> }[], separator = ','): string {
  const rows = new Map<number, (number | null)[]>();
  lines.forEach((line, column) => {
    for (let index = 0; index < line.x.length; index++) {
      const x = line.x[index]!;
      let row = rows.get(x);
      if (!row) rows.set(x, (row = new Array<number | null>(lines.length).fill(null)));
      row[column] = line.y[index]!;
    }
  });
  const sorted = [...rows.entries()].sort((a, b) => a[0] - b[0]);
  return csvTable([xName, ...lines.map((line) => line.name)], sorted.map(([x, values]) => [x, ...values]), separator);
}
