import { javascriptHead, javascriptMetadata, javascriptStates, lines, pythonStates } from './snippet-parts';

export interface SequenceSnippetRequest {
  file: string;
  stateful: boolean;
  kind: 'regress' | 'binary-vectors' | 'label';
}

/** Input and output of the file, and how an example of two sequences of ten steps is filled and read. */
const programs = {
  regress: {
    output: 'prediction',
    python: ['scaler = json.loads(meta["sluice.scaler"])  # "columns": the order of the inputs', '# Put your sequences here, all of one length, in the units of your table; the training mean stands in for them.', 'series = np.tile(np.array(scaler["mean"], np.float32), (2, 10, 1))  # [batch, time, inputs]', 'feeds = {"series": series}'],
    pythonEnd: ['targets = json.loads(meta["sluice.task"])["targets"]', 'for number, values in enumerate(prediction):  # [batch, targets]', '    print(number, dict(zip(targets, values.tolist())))'],
    javascript: ["const scaler = JSON.parse(meta['sluice.scaler']); // columns: the order of the inputs", '// Put your sequences here, all of one length, in the units of your table; the training mean stands in for them.', 'const rows = Array.from({ length: 2 * 10 }, () => scaler.mean);', "const feeds = { series: new ort.Tensor('float32', Float32Array.from(rows.flat()), [2, 10, scaler.columns.length]) }; // [batch, time, inputs]"],
    javascriptEnd: ["const { targets } = JSON.parse(meta['sluice.task']);", 'for (let number = 0; number < 2; number++) {', '  const values = targets.map((name, target) => [name, result.prediction.data[number * targets.length + target]]);', '  console.log(number, Object.fromEntries(values));', '}'],
  },
  'binary-vectors': {
    output: 'probabilities',
    python: ['entries = session.get_inputs()[0].shape[2]', 'series = np.zeros((1, 10, entries), np.float32)  # put your vectors of 0 and 1 here: [batch, time, entries]', 'feeds = {"series": series}'],
    pythonEnd: ['following = probabilities[0, -1]  # the chance of a 1 in each place of the next vector', 'for entry in following.argsort()[::-1][:8]:', '    print(entry, round(float(following[entry]), 4))'],
    javascript: ["const entries = session.inputMetadata.find(({ name }) => name === 'series').shape[2];", 'const series = new Float32Array(10 * entries); // put your vectors of 0 and 1 here, step by step', "const feeds = { series: new ort.Tensor('float32', series, [1, 10, entries]) };"],
    javascriptEnd: ['// The chance of a 1 in each place of the next vector.', 'const following = Array.from(result.probabilities.data.slice(-entries), (chance, entry) => ({ entry, chance }));', 'for (const { entry, chance } of following.sort((a, b) => b.chance - a.chance).slice(0, 8)) console.log(entry, chance.toFixed(4));'],
  },
  label: {
    output: 'logits',
    python: ['vocabulary = json.loads(meta["sluice.vocabulary"])', 'labels = json.loads(meta["sluice.labels"])', 'symbols = vocabulary[:4]  # put your sequence here', 'feeds = {"tokens": np.array([[vocabulary.index(symbol) for symbol in symbols]], np.int64)}'],
    pythonEnd: ['for symbol, scores in zip(symbols, logits[0]):  # logits: [batch, time, labels]', '    print(symbol, labels[int(scores.argmax())])'],
    javascript: ["const vocabulary = JSON.parse(meta['sluice.vocabulary']);", "const labels = JSON.parse(meta['sluice.labels']);", 'const symbols = vocabulary.slice(0, 4); // put your sequence here', 'const tokens = BigInt64Array.from(symbols, (symbol) => BigInt(vocabulary.indexOf(symbol)));', "const feeds = { tokens: new ort.Tensor('int64', tokens, [1, tokens.length]) };"],
    javascriptEnd: ['symbols.forEach((symbol, step) => {', '  const scores = Array.from(result.logits.data.slice(step * labels.length, (step + 1) * labels.length)); // logits: [batch, time, labels]', '  console.log(symbol, labels[scores.indexOf(Math.max(...scores))]);', '});'],
  },
} as const;

/** Programs for models of sequences. */
export function sequenceSnippets({ file, stateful, kind }: SequenceSnippetRequest): { python: string; javascript: string } {
  const program = programs[kind];
  // The example of a value from a sequence runs two at once.
  const batch = kind === 'regress' ? 2 : 1;
  return {
    python: lines(
      'import json',
      'import numpy as np',
      'import onnxruntime as ort',
      '',
      `session = ort.InferenceSession(${JSON.stringify(file)})`,
      'meta = session.get_modelmeta().custom_metadata_map',
      stateful && pythonStates(batch),
      '',
      ...program.python,
      `${program.output} = session.run(["${program.output}"], ${stateful ? '{**feeds, **states}' : 'feeds'})[0]`,
      ...program.pythonEnd,
    ),
    javascript: lines(
      javascriptHead(file),
      stateful && javascriptStates(batch),
      '',
      ...program.javascript,
      `const result = await session.run(${stateful ? '{ ...feeds, ...states }' : 'feeds'});`,
      ...program.javascriptEnd,
      '',
      javascriptMetadata,
    ),
  };
}
