import { open } from 'node:fs/promises';
import { metricsRecord, type MetricsRecord } from '../contracts';
import { isMissing } from '../workspace';

const linesBetweenPauses = 500;

/**
 * Records of `metrics.jsonl` whose step is above `after`, in file order. The file grows while it is read: a
 * torn last line is left for the next time. The event loop is given back every few hundred lines.
 */
export async function readMetrics(path: string, after: number): Promise<MetricsRecord[]> {
  const records: MetricsRecord[] = [];
  let file;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return records;
    throw error;
  }
  try {
    let count = 0;
    for await (const line of file.readLines()) {
      const record = parseRecord(line, after);
      if (record) records.push(record);
      count += 1;
      if (count % linesBetweenPauses === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    await file.close();
  }
  return records;
}

/** One line's record, null where it is torn, foreign, or not above `after`. */
export function parseRecord(line: string, after: number): MetricsRecord | null {
  // Cheaper than parsing a line that will not be wanted.
  const step = /"step":(\d+)/.exec(line);
  if (!step || Number(step[1]) <= after) return null;
  try {
    const parsed = metricsRecord.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
