import { describe, expect, it } from 'vitest';
import { openInstance, streamNumbers } from './table-source';

describe('numbers of a query', () => {
  it('come whole, NULL as NaN, or not at all', async () => {
    const connection = await (await openInstance(null)).connect();
    const { signal } = new AbortController();
    const sql = 'SELECT CASE WHEN i <> 2 THEN i::DOUBLE END FROM range(5000) r(i)';
    const values = await streamNumbers(connection, sql, 5000, 'x.csv', signal);
    expect([...values.slice(0, 4), values[4999]]).toEqual([0, 1, NaN, 3, 4999]);
    for (const rows of [5001, 4999, 1]) {
      await expect(streamNumbers(connection, sql, rows, 'x.csv', signal)).rejects.toMatchObject({ code: 'DATASET_DAMAGED', where: 'x.csv', details: { expected: rows, found: 5000 } });
    }
    connection.closeSync();
  });
});
