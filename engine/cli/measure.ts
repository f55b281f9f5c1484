import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { SluiceError, toErrorShape } from '../contracts';
import { readError } from '../workbench';
import type { Context } from './context';
import { count, figure, table } from './output';

/** Runs the engine on reference fixtures; throws when one does not pass, after all have been tried. */
export async function parity(context: Context, files: string[]): Promise<void> {
  const { output, workbench } = context;
  const rows: string[][] = [['', 'cell', 'precision', 'absolute', 'relative', '']];
  let failures = 0;
  for (const file of files) {
    let fixture: string;
    try {
      fixture = await readFile(context.path(file), 'utf8');
    } catch (error) {
      throw readError(error, context.path(file));
    }
    try {
      for (const result of workbench.parity(fixture)) {
        output.object({ event: 'parity', file, ...result });
        rows.push([file, result.cell, result.precision, result.maxAbsoluteError.toExponential(2), result.maxRelativeError.toExponential(2), `${result.passed ? 'passed' : `failed at ${result.worst}`}${result.leftOut ? `; not in the engine: ${result.leftOut.join(', ')}` : ''}`]);
        if (!result.passed) failures += 1;
      }
    } catch (error) {
      const shape = toErrorShape(error);
      output.object({ event: 'parity', file, passed: false, error: shape });
      rows.push([file, '', '', '', '', `failed: ${shape.message}`]);
      failures += 1;
    }
  }
  for (const line of table(rows)) output.line(line);
  if (failures > 0) throw new SluiceError({ code: 'ENGINE_FAILED', message: `${failures} of the comparisons did not pass` });
}

/** `place` says which shape is meant; its fields are none of the command line's options. */
async function measure(context: Context, spec: unknown, place: string): Promise<void> {
  const result = await context.workbench.bench(spec).catch((error: unknown) => {
    if (!(error instanceof SluiceError)) throw error;
    const { code, message, where, details } = error;
    throw new SluiceError({ code, message, where: where === undefined ? place : `${place}, ${where}`, details }, { cause: error });
  });
  // The largest that this process has been: of the shape alone where nothing was measured before it.
  context.output.object({ ...result, peakMegabytes: process.resourceUsage().maxRSS / 1024 });
  const milliseconds = result['stepMilliseconds'] as { min: number; median: number; p95: number } | undefined;
  const speed = result['tokensPerSecond'];
  const share = Number(result['gigaflops']) / Number(result['peakGigaflops']);
  context.output.line(
    `${String(result['name'])}  ${typeof speed === 'number' ? count(speed) : '?'} tokens/s  ${milliseconds ? `min ${figure(milliseconds.min)}  median ${figure(milliseconds.median)}  p95 ${figure(milliseconds.p95)} ms` : ''}  ${Number.isFinite(share) ? `${(share * 100).toFixed(0)} % of peak` : ''}  ${String(result['kernel'])}`,
  );
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SluiceError({ code: 'USAGE', message: `${where} is not JSON: ${error instanceof Error ? error.message : String(error)}`, where }, { cause: error });
  }
}

/** Measures the shapes of a file, or of standard input for `-`. */
export async function bench(context: Context, file: string): Promise<void> {
  const where = file === '-' ? 'standard input' : context.path(file);
  let content: string;
  try {
    content = file === '-' ? await readAll(process.stdin) : await readFile(where, 'utf8');
  } catch (error) {
    throw readError(error, where);
  }
  const specs = parseJson(content, where);
  const shapes = Array.isArray(specs) ? (specs as unknown[]) : [specs];
  if (shapes.length === 0) throw new SluiceError({ code: 'USAGE', message: `${where} holds no shape to measure`, where });
  for (const [index, shape] of shapes.entries()) await measure(context, shape, shapes.length === 1 ? where : `${where}, shape ${index + 1}`);
}

/** Stays warm and answers each JSON line of standard input with one line, an error with an error object. */
export async function benchServe(context: Context): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === '') continue;
    try {
      await measure(context, parseJson(line, 'line'), 'line');
    } catch (error) {
      context.output.error(error, false);
    }
  }
}
