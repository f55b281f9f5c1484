import type { TaskConfig } from '../contracts';
import { javascriptHead, javascriptMetadata, javascriptStates, lines, pythonStates } from './snippet-parts';
import { sequenceSnippets } from './sequence-snippets';

export interface SnippetRequest {
  /** File name without folder. */
  file: string;
  task: TaskConfig;
  stateful: boolean;
  /** Text that a language model's example starts with. */
  prompt: string;
}

/** Programs that run the exported file and nothing else of Sluice: they read what they need from its metadata. */
export function snippets(request: SnippetRequest): { python: string; javascript: string } {
  if (request.task.kind !== 'language-model' && request.task.kind !== 'forecast') return sequenceSnippets({ ...request, kind: request.task.kind });
  return request.task.kind === 'language-model'
    ? { python: pythonText(request), javascript: javascriptText(request) }
    : { python: pythonForecast(request, request.task.lookback), javascript: javascriptForecast(request, request.task.lookback) };
}

function pythonText({ file, stateful, prompt }: SnippetRequest): string {
  return lines(
    'import json',
    'import numpy as np',
    'import onnxruntime as ort',
    '',
    `session = ort.InferenceSession(${JSON.stringify(file)})`,
    'meta = session.get_modelmeta().custom_metadata_map',
    'vocabulary = json.loads(meta["sluice.vocabulary"])',
    'token_of = {text: token for token, text in enumerate(vocabulary)}',
    stateful && pythonStates(),
    '',
    `prompt = ${JSON.stringify(prompt)}`,
    'temperature = 0.8  # 0 = always the likeliest character',
    'tokens = [token_of.get(character, token_of.get("<unk>", 0)) for character in prompt]',
    'random = np.random.default_rng(1)',
    stateful && 'unread = tokens',
    'for _ in range(200):',
    stateful
      ? lines(
          '    feeds = {"tokens": np.array([unread], np.int64), **states}',
          '    logits, *after = session.run(["logits"] + [output for _, output, *_ in pairs], feeds)',
          '    states = {name: state for (name, *_), state in zip(pairs, after)}',
        ).trimEnd()
      : '    logits = session.run(["logits"], {"tokens": np.array([tokens], np.int64)})[0]',
    '    scores = logits[0, -1].astype(np.float64)  # logits: [batch, time, vocabulary]',
    '    if temperature == 0:',
    '        token = int(scores.argmax())',
    '    else:',
    '        chances = np.exp((scores - scores.max()) / temperature)',
    '        token = int(random.choice(len(chances), p=chances / chances.sum()))',
    '    tokens.append(token)',
    stateful && '    unread = [token]',
    'print("".join(vocabulary[token] for token in tokens))',
  );
}

function pythonForecast({ file, stateful }: SnippetRequest, lookback: number): string {
  return lines(
    'import json',
    'import numpy as np',
    'import onnxruntime as ort',
    '',
    `session = ort.InferenceSession(${JSON.stringify(file)})`,
    'meta = session.get_modelmeta().custom_metadata_map',
    'task = json.loads(meta["sluice.task"])',
    'scaler = json.loads(meta["sluice.scaler"])  # "columns": the order of the inputs',
    stateful && pythonStates(),
    '',
    `# Put your last ${lookback} rows here, oldest first, in the units of your table;`,
    '# the mean of the training rows stands in for them.',
    'rows = np.tile(scaler["mean"], (task["lookback"], 1))',
    'series = rows[np.newaxis].astype(np.float32)  # [batch, time, inputs]',
    stateful
      ? 'forecast = session.run(["forecast"], {"series": series, **states})[0]  # [batch, horizon, targets]'
      : 'forecast = session.run(["forecast"], {"series": series})[0]  # [batch, horizon, targets]',
    'for step, values in enumerate(forecast[0], 1):',
    '    print(step, dict(zip(task["targets"], values.tolist())))',
  );
}

function javascriptText({ file, stateful, prompt }: SnippetRequest): string {
  return lines(
    javascriptHead(file),
    "const vocabulary = JSON.parse(meta['sluice.vocabulary']);",
    'const tokenOf = new Map(vocabulary.map((text, token) => [text, token]));',
    stateful && javascriptStates(),
    '',
    `const prompt = ${JSON.stringify(prompt)};`,
    'const temperature = 0.8; // 0 = always the likeliest character',
    "const tokens = Array.from(prompt, (character) => tokenOf.get(character) ?? tokenOf.get('<unk>') ?? 0);",
    stateful && 'let unread = tokens;',
    'for (let step = 0; step < 200; step++) {',
    `  const read = BigInt64Array.from(${stateful ? 'unread' : 'tokens'}, BigInt);`,
    `  const result = await session.run({ tokens: new ort.Tensor('int64', read, [1, read.length])${stateful ? ', ...states' : ''} });`,
    stateful && '  states = Object.fromEntries(pairs.map(([input, output]) => [input, result[output]]));',
    '  const scores = result.logits.data.slice(-vocabulary.length); // logits: [batch, time, vocabulary]',
    '  const token = choose(scores);',
    '  tokens.push(token);',
    stateful && '  unread = [token];',
    '}',
    "console.log(tokens.map((token) => vocabulary[token]).join(''));",
    '',
    'function choose(scores) {',
    '  const highest = Math.max(...scores);',
    '  if (temperature === 0) return scores.indexOf(highest);',
    '  const chances = Array.from(scores, (score) => Math.exp((score - highest) / temperature));',
    '  let point = Math.random() * chances.reduce((sum, chance) => sum + chance, 0);',
    '  return Math.max(0, chances.findIndex((chance) => (point -= chance) < 0));',
    '}',
    '',
    javascriptMetadata,
  );
}

function javascriptForecast({ file, stateful }: SnippetRequest, lookback: number): string {
  return lines(
    javascriptHead(file),
    "const task = JSON.parse(meta['sluice.task']);",
    "const scaler = JSON.parse(meta['sluice.scaler']); // columns: the order of the inputs",
    stateful && javascriptStates(),
    '',
    `// Put your last ${lookback} rows here, oldest first, in the units of your table;`,
    '// the mean of the training rows stands in for them.',
    'const rows = Array.from({ length: task.lookback }, () => scaler.mean);',
    "const series = new ort.Tensor('float32', Float32Array.from(rows.flat()), [1, rows.length, scaler.columns.length]);",
    `const { forecast } = await session.run({ series${stateful ? ', ...states' : ''} }); // [batch, horizon, targets]`,
    'for (let step = 0; step < task.horizon; step++) {',
    '  const values = task.targets.map((name, target) => [name, forecast.data[step * task.targets.length + target]]);',
    '  console.log(step + 1, Object.fromEntries(values));',
    '}',
    '',
    javascriptMetadata,
  );
}
