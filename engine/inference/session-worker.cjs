/**
 * Runs ONNX Runtime on a thread of its own: its Node binding computes on the thread that calls it, and the
 * workbench's event loop must stay free. Started from its source text (see runtime.ts), so that it needs
 * no file beside the bundle; `workerData.runtime` is the path of onnxruntime-node.
 *
 * Messages in: `{ id, kind: 'open' | 'run' | 'close', … }`; out: `{ id, result }` or `{ id, error }`.
 */
/* eslint-disable @typescript-eslint/no-require-imports -- a worker started from text is CommonJS */
const { parentPort, workerData } = require('node:worker_threads');
const ort = require(workerData.runtime);

/** Open sessions by number. */
const sessions = new Map();
let lastSession = 0;

const describe = (metadata) =>
  metadata.map(({ name, isTensor, type, shape }) => (isTensor ? { name, type, shape } : { name, type: 'other', shape: [] }));

const handlers = {
  async open({ model, providers, threads }) {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: providers,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // What goes wrong reaches the caller as an error; the same line on standard error says nothing more.
      logSeverityLevel: 4,
    });
    lastSession += 1;
    sessions.set(lastSession, session);
    return { result: { session: lastSession, inputs: describe(session.inputMetadata), outputs: describe(session.outputMetadata) }, transfer: [] };
  },

  async run({ session, feeds, fetches }) {
    const tensors = Object.fromEntries(Object.entries(feeds).map(([name, { type, shape, data }]) => [name, new ort.Tensor(type, data, shape)]));
    const start = process.hrtime.bigint();
    const results = await sessions.get(session).run(tensors, fetches);
    const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
    const outputs = {};
    const transfer = [];
    for (const [name, { type, dims, data }] of Object.entries(results)) {
      const copy = data.slice();
      outputs[name] = { type, shape: [...dims], data: copy };
      if (ArrayBuffer.isView(copy)) transfer.push(copy.buffer);
    }
    return { result: { outputs, milliseconds }, transfer };
  },

  async close({ session }) {
    await sessions.get(session)?.release();
    sessions.delete(session);
    return { result: null, transfer: [] };
  },
};

parentPort.on('message', async (message) => {
  try {
    const { result, transfer } = await handlers[message.kind](message);
    parentPort.postMessage({ id: message.id, result }, transfer);
  } catch (error) {
    parentPort.postMessage({ id: message.id, error: error instanceof Error ? error.message : String(error) });
  }
});
