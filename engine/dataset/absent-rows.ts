import type { DuckDBConnection } from '@duckdb/node-api';
import type { SourceColumn } from './column-inspection';
import type { Absence } from './time-facts';

/** Rows that one statement inserts. */
const rowsAtOnce = 1000;

/**
 * Puts the rows of `absences` into table `source` with their time and nothing else, and gives the ORDER BY of the
 * whole: `order` brings the rows that are there into time order. The time column reads the new rows' times too.
 */
export async function insertAbsent(connection: DuckDBConnection, time: SourceColumn, order: string, absences: readonly Absence[]): Promise<string> {
  await connection.run('ALTER TABLE source ADD COLUMN place DOUBLE');
  await connection.run('ALTER TABLE source ADD COLUMN absent TIMESTAMP');
  await connection.run(`UPDATE source SET place = ranked.place FROM (SELECT rowid AS id, row_number() OVER (ORDER BY ${order}) AS place FROM source) AS ranked WHERE source.rowid = ranked.id`);
  // Places of rows that are there count from 1; those between two of them are fractions.
  const values = absences.flatMap(({ row, times }) => times.map((ms, index) => `(${row + (index + 1) / (times.length + 1)}, make_timestamp(${Math.round(ms * 1000)}))`));
  for (let start = 0; start < values.length; start += rowsAtOnce) {
    await connection.run(`INSERT INTO source (place, absent) VALUES ${values.slice(start, start + rowsAtOnce).join(', ')}`);
  }
  time.time = `coalesce(absent, ${time.time})`;
  return 'place';
}
