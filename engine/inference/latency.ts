import { SluiceError, type LatencyResult } from '../contracts';
import type { OnnxSession, RuntimeTensor, TensorDescription } from './runtime';
import { toTensor } from './tensors';

const batchSizes = [1, 64];
const mostCalls = 30;
/** Time spent on one batch size, after which no further call begins. */
const budgetMs = 400;

/** Times calls with inputs of zero, one after another; a batch size the model does not take is left out. */
export async function measureLatency(session: OnnxSession, time: number, throwIfAborted: () => void): Promise<LatencyResult> {
  const rows: LatencyResult['rows'] = [];
  for (const batch of batchSizes) {
    const feeds = zeroFeeds(session.inputs, batch, time);
    if (batch > 1 && !Object.values(feeds).some(({ shape }) => shape.includes(batch))) continue;
    const spent: number[] = [];
    try {
      await session.run(feeds);
      while (spent.length < mostCalls && spent.reduce((sum, ms) => sum + ms, 0) < budgetMs) {
        throwIfAborted();
        spent.push((await session.run(feeds)).milliseconds);
      }
    } catch (error) {
      if (batch === 1 || !(error instanceof SluiceError) || error.code !== 'INPUT_INVALID') throw error;
      continue;
    }
    spent.sort((a, b) => a - b);
    const at = (share: number): number => spent[Math.min(spent.length - 1, Math.floor(share * spent.length))]!;
    rows.push({ batch, minMs: spent[0]!, medianMs: at(0.5), p95Ms: at(0.95), calls: spent.length });
  }
  return { provider: session.provider, fallbackReason: session.fallbackReason, obstacle: session.obstacle, time, rows };
}

/** Inputs of zero; a free size that is called after time or a sequence takes `time`, any other `batch`. */
export function zeroFeeds(inputs: TensorDescription[], batch: number, time: number): Record<string, RuntimeTensor> {
  return Object.fromEntries(
    inputs.map((input) => {
      const shape = input.shape.map((size) => {
        if (typeof size === 'number') return size;
        return /time|seq|step|length|frame/i.test(size) ? time : batch;
      });
      const data = new Float64Array(shape.reduce((product, size) => product * size, 1));
      return [input.name, toTensor({ shape, data }, input)];
    }),
  );
}
