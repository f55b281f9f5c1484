import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { SluiceError, type DeviceObstacle } from '../contracts';
import { cudaObstacle, explainCudaFailure, obstacleStatement } from './providers';
import workerSource from './session-worker.cjs?raw';

export type Device = 'cpu' | 'cuda';

export type TensorData = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

export interface RuntimeTensor {
  /** As ONNX Runtime names it: `float32`, `int64`, `bool` … */
  type: string;
  shape: number[];
  /** Row-major. */
  data: TensorData;
}

export interface TensorDescription {
  name: string;
  type: string;
  /** Letters for free sizes. */
  shape: (string | number)[];
}

export interface OnnxSession {
  readonly inputs: TensorDescription[];
  readonly outputs: TensorDescription[];
  /** What runs, which is not always what was asked for. */
  readonly provider: Device;
  /** Why the asked device does not run, null when it does. */
  readonly fallbackReason: string | null;
  /** The same as a code. */
  readonly obstacle: DeviceObstacle | null;
  /** Feeds' buffers are copied; `fetches` names the outputs that are wanted, all when left out. */
  run(feeds: Record<string, RuntimeTensor>, fetches?: string[]): Promise<{ outputs: Record<string, RuntimeTensor>; milliseconds: number }>;
  close(): Promise<void>;
}

const packages = createRequire(import.meta.url);

/** ONNX Runtime's folder of native libraries. */
export function runtimeFolder(): string {
  return join(runtimeRoot(), 'bin', 'napi-v6', process.platform, process.arch);
}

export function runtimeVersion(): string {
  return (JSON.parse(readFileSync(join(runtimeRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

function runtimeRoot(): string {
  return dirname(dirname(packages.resolve('onnxruntime-node')));
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * ONNX Runtime on one worker thread, started with the first session. The thread keeps the process alive only
 * while an answer is due; when it dies, everything asked of it is rejected and the next session starts another.
 */
export class OnnxRuntime {
  private worker: Worker | null = null;
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;

  /**
   * Opens a model. With `cuda` the CPU takes over where CUDA does not run, and the session says why.
   * @throws SluiceError ONNX_INVALID where ONNX Runtime refuses the model.
   */
  async open(model: string | Uint8Array, options: { device?: Device; threads?: number } = {}): Promise<OnnxSession> {
    const threads = options.threads ?? 0;
    let obstacle: DeviceObstacle | null = null;
    if (options.device === 'cuda') {
      obstacle = await cudaObstacle(runtimeFolder());
      if (obstacle === null) {
        try {
          return this.session(await this.ask<Opened>({ kind: 'open', model, providers: ['cuda', 'cpu'], threads }), 'cuda', null);
        } catch (error) {
          obstacle = await explainCudaFailure(runtimeFolder(), (error as Error).message);
        }
      }
    }
    try {
      return this.session(await this.ask<Opened>({ kind: 'open', model, providers: ['cpu'], threads }), 'cpu', obstacle);
    } catch (error) {
      if (error instanceof SluiceError) throw error;
      const where = typeof model === 'string' ? { where: model } : {};
      throw new SluiceError({ code: 'ONNX_INVALID', message: `ONNX Runtime cannot load the model: ${plainMessage(error)}`, ...where }, { cause: error });
    }
  }

  /** Ends the thread and everything open on it. */
  async dispose(): Promise<void> {
    const { worker } = this;
    this.worker = null;
    await worker?.terminate();
  }

  private session(opened: Opened, provider: Device, obstacle: DeviceObstacle | null): OnnxSession {
    const { session, inputs, outputs } = opened;
    return {
      inputs,
      outputs,
      provider,
      fallbackReason: obstacle && obstacleStatement(obstacle),
      obstacle,
      run: async (feeds, fetches) => {
        try {
          return await this.ask({ kind: 'run', session, feeds, fetches: fetches ?? outputs.map(({ name }) => name) });
        } catch (error) {
          if (error instanceof SluiceError) throw error;
          throw new SluiceError({ code: 'INPUT_INVALID', message: `ONNX Runtime refused the input: ${plainMessage(error)}` }, { cause: error });
        }
      },
      close: () => this.ask({ kind: 'close', session }),
    };
  }

  private ask<Answer>(message: Record<string, unknown>): Promise<Answer> {
    const worker = (this.worker ??= this.start());
    this.lastId += 1;
    const id = this.lastId;
    return new Promise<Answer>((resolve, reject) => {
      this.pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      worker.ref();
      worker.postMessage({ ...message, id });
    });
  }

  private start(): Worker {
    const worker = new Worker(workerSource, { eval: true, workerData: { runtime: packages.resolve('onnxruntime-node') } });
    let failure = 'it ended';
    worker.on('error', (error) => {
      failure = error.message;
    });
    worker.on('message', ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
      const pending = this.pending.get(id);
      this.pending.delete(id);
      if (this.pending.size === 0) worker.unref();
      if (error === undefined) pending?.resolve(result);
      else pending?.reject(new Error(error));
    });
    worker.on('exit', () => {
      if (this.worker === worker) this.worker = null;
      for (const { reject } of this.pending.values()) {
        reject(new SluiceError({ code: 'ENGINE_FAILED', message: `The thread that runs ONNX models stopped: ${failure}.` }));
      }
      this.pending.clear();
    });
    worker.unref();
    return worker;
  }
}

interface Opened {
  session: number;
  inputs: TensorDescription[];
  outputs: TensorDescription[];
}

/** ONNX Runtime's message without its source positions. */
function plainMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\/onnxruntime_src\/\S+ /g, '').replace(/\b\w+\.(cc|h):\d+ \w+ /g, '').replace(/\s+/g, ' ').trim();
}
