import { Command, InvalidArgumentError, Option } from 'commander';
import { generatedFrom, numberFormats, SluiceError, textEncoding, tunableFields } from '../contracts';
import { createContext, type CommonOptions, type Context } from './context';
import { generate, importFiles, type GenerateOptions, type ImportOptions } from './import';
import { bench, benchServe, parity } from './measure';
import { evaluate, exportOnnx, forecast, infer, predict, sample, trace, type PredictOptions, type SampleOptions, type TraceOptions } from './models';
import { configFields, presetLines } from '../workbench';
import { train, type TrainOptions } from './train';
import { exportWeights, importModel, type ExportWeightsOptions, type ImportModelOptions } from './weights';
import { rateTest, tune, type RateTestOptions } from './tune';

function wholeNumber(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) {
  const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < minimum || value > maximum) throw new InvalidArgumentError(`Give a whole number ${range}.`);
    return value;
  };
}

/** A text that the workbench takes in one piece. */
function shortText(text: string): string {
  if (text.length > 100_000) throw new InvalidArgumentError('Give at most 100000 characters.');
  return text;
}

function someText(text: string): string {
  if (text === '') throw new InvalidArgumentError('Give at least one character.');
  return shortText(text);
}

function delimiter(text: string): string {
  const character = text === '\\t' ? '\t' : text;
  if (character.length !== 1) throw new InvalidArgumentError('Give one character, or \\t for a tab.');
  return character;
}

function decimal(minimum: number, maximum: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= minimum && value <= maximum)) throw new InvalidArgumentError(`Give a number from ${minimum} to ${maximum}.`);
    return value;
  };
}

const repeated = (value: string, earlier: string[] | undefined): string[] => [...(earlier ?? []), value];

/** Two columns, both beginning at the left. */
function indented(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`);
}

const weightsFrom = (): Option => new Option('--weights-from <framework>', 'whose layout the weights have (default: told by their names)').choices(['torch', 'keras', 'sluice']);
const vocabularyHelp = "JSON list of the weights' tokens in their order (default: the dataset's order)";

function checkpointName(text: string): 'best' | 'last' | number {
  if (text === 'best' || text === 'last') return text;
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give best, last or the step of a checkpoint.');
  return Number(text);
}

const splitChoice = (): Option => new Option('--split <name>', 'part of the data').choices(['train', 'validation', 'test']).default('test');

const programHelp = `
First steps:
  sluice import text.txt --name mine
  sluice train --preset char-lstm --dataset mine --name first
  sluice sample first --prompt "Once"
  sluice export first --out first.onnx

Environment:
  SLUICE_WORKSPACE   workspace folder
  SLUICE_KERNEL      instruction set to compute with: avx512, avx2, neon or portable (default: the fastest)

Exit status: 0 success, 1 the work failed, 2 wrong use.`;

const generateHelp = `
Tasks:
  adding       two of many numbers in [0, 1] are marked: their sum (Hochreiter & Schmidhuber 1997, Le et al. 2015)
  copy         ten symbols, a delay, then the ten again (Arjovsky et al. 2016)
  anbn         a...ab...b with as many b as a; the test part has longer ones (Gers & Schmidhuber 2001)
  recall-name  who the story began with, asked for at its end`;

const benchHelp = `
Fields of a shape:
  name, cell, layers, hiddenSize, batchSize, sequenceLength
  mode                            train, infer (whole sequences) or infer-step
  vocabularySize, embeddingSize   for a language model, or
  inputSize, outputSize           for a series
  threads                         default: physical cores
  seconds or steps                how long; default: 2 seconds

Example:
  {"name":"a","mode":"train","cell":"lstm","layers":1,"inputSize":3,"outputSize":24,"hiddenSize":64,"batchSize":32,"sequenceLength":96}`;

/** The commands. `ran` is told what a command works with, so that its end and its errors can be handled in one place. */
export function createProgram(version: string, ran: (context: Context, debug: boolean) => void): Command {
  const program = new Command('sluice')
    .description('Trains recurrent models on your own texts and time series, shows their gates, and exports verified ONNX files.')
    .version(version)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', programHelp);

  const command = (name: string, argument: [usage: string, description: string], description: string): Command =>
    program
      .command(name)
      .argument(...argument)
      .description(description)
      .option('--workspace <dir>', 'workspace folder (default: $SLUICE_WORKSPACE, else ~/Sluice)')
      .option('--json', 'one JSON object per line on standard output')
      .option('--debug', 'stack trace with an error');

  /** Options come last but one of what commander hands over. */
  const contextOf = (options: CommonOptions): Context => {
    const context = createContext(options);
    ran(context, options.debug === true);
    return context;
  };

  command('import', ['<files...>', 'one text (.txt), table (.csv, .tsv, .parquet, .jsonl) or piano roll (.json)'], 'Makes a dataset of a text, a table or sequences.')
    .option('--name <name>', 'name of the dataset (default: that of the file)')
    .addOption(new Option('--task <task>', 'what is to be learned (default: recognised)').choices(['language-model', 'forecast', 'regress', 'binary-vectors']))
    .option('--target <column>', 'column to forecast, or the value to learn of each sequence; repeat for several', repeated)
    .option('--covariate <column>', 'further input column; repeat for several', repeated)
    .option('--sequence <column>', 'regress: column that tells the sequences apart')
    .option('--input <column>', 'regress: input column; repeat for several (default: all other numbers)', repeated)
    .option('--lowest <number>', 'binary-vectors: first entry of a vector (default: 21, the lowest piano key)', wholeNumber(0, 100_000))
    .option('--highest <number>', 'binary-vectors: last entry of a vector (default: 108)', wholeNumber(0, 100_000))
    .option('--time <column>', 'time column (default: recognised)')
    .option('--lookback <steps>', 'steps a forecast reads', wholeNumber(1, 100_000))
    .option('--horizon <steps>', 'steps a forecast reaches ahead', wholeNumber(1, 100_000))
    .option('--split <train,validation,test>', 'rows (8640,2880,2880) or shares (0.7,0.1,0.2)')
    .option('--no-subtract-last', "do not take each window's last value off")
    .addOption(new Option('--scaling <kind>', 'scaling of the columns').choices(['standard', 'none']).default('standard'))
    .addOption(new Option('--encoding <name>', 'encoding of a text or table (default: recognised); euc-kr also reads CP949').choices(textEncoding.options))
    .option('--delimiter <character>', 'delimiter of a table (default: recognised); \\t for a tab', delimiter)
    .action((files: string[], options: ImportOptions & CommonOptions) => importFiles(contextOf(options), files, options));

  command('generate', ['<task>', 'adding, copy, anbn or recall-name'], 'Makes up the sequences of a synthetic task, and says what a model should beat.')
    .option('--name <name>', 'name of the dataset (default: that of the task)')
    .option('--length <number>', 'steps (adding, 100), delay (copy, 100), longest n in training (anbn, 10), words in between (recall-name, 40)', wholeNumber(2, 10_000))
    .option('--count <number>', 'training sequences; validation and test get a twentieth each', wholeNumber(20, 1_000_000))
    .option('--seed <number>', 'seed of the draws', wholeNumber(0, 2 ** 48), 1)
    .addHelpText('after', generateHelp)
    .action((task: string, options: GenerateOptions & CommonOptions) => {
      const known = generatedFrom.shape.task.safeParse(task);
      if (!known.success) throw new SluiceError({ code: 'USAGE', message: `there is no task ${task}; choose one of ${generatedFrom.shape.task.options.join(', ')}`, where: task });
      return generate(contextOf(options), known.data, options);
    });

  command('train', ['[config]', 'configuration file (JSON), in place of --preset'], 'Trains a configuration file or a preset, or goes on with a run.')
    .option('--preset <name>', 'a ready-made configuration, see below')
    .option('--dataset <name>', 'dataset to train on')
    .option('--set <path=value>', 'change one field, for example model.layers.0.cell=gru; repeat for several', repeated)
    .option('--name <name>', 'name of the run')
    .option('--resume <run>', 'go on with an interrupted, stopped or failed run')
    .option('--weights <file>', 'start from these weights: .safetensors, .npz, .weights.h5')
    .addOption(weightsFrom())
    .option('--vocabulary <file>', vocabularyHelp)
    .addHelpText('after', () => ['', 'Presets:', ...indented(presetLines().map(({ name, layers }) => [name, layers])), '', 'Fields for --set:', ...indented(configFields().map(({ path, takes }) => [path, takes]))].join('\n'))
    .action((config: string | undefined, options: TrainOptions & CommonOptions) => train(contextOf(options), config, options));

  command('tune', ['<run>', 'id or name of a run that trains, here or in another process'], 'Changes settings between two steps; recorded in the run.')
    .option('--set <path=value>', `one of ${tunableFields.join(', ')}; repeat for several`, repeated)
    .action((run: string, options: { set?: string[] } & CommonOptions) => tune(contextOf(options), run, options));

  command('lr-test', ['[config]', 'configuration file (JSON), in place of --preset'], 'Tries learning rates in a short training that leaves nothing behind, and suggests one.')
    .option('--preset <name>', 'a ready-made configuration')
    .option('--dataset <name>', 'dataset to train on')
    .option('--set <path=value>', 'change one field; repeat for several', repeated)
    .option('--from <rate>', 'first learning rate', decimal(1e-12, 1000), 1e-6)
    .option('--to <rate>', 'last learning rate', decimal(1e-12, 1000), 10)
    .option('--steps <number>', 'steps, 10 to 10000', wholeNumber(10, 10_000), 100)
    .action((config: string | undefined, options: RateTestOptions & CommonOptions) => rateTest(contextOf(options), config, options));

  command('evaluate', ['<run>', 'id or name of a run'], "Metrics of a run's best checkpoint.")
    .addOption(splitChoice())
    .action((run: string, options: { split: 'train' | 'validation' | 'test' } & CommonOptions) => evaluate(contextOf(options), run, options));

  command('sample', ['<run>', 'id or name of a run'], 'Continues a text.')
    .option('--prompt <text>', 'text to continue', shortText, '')
    .option('--length <tokens>', 'tokens to write, up to 100000', wholeNumber(1, 100_000), 500)
    .option('--temperature <number>', '0 always takes the likeliest token', decimal(0, 10), 0.8)
    .option('--top-k <number>', 'choose among the k likeliest; 0 = all', wholeNumber(0), 0)
    .option('--top-p <share>', 'choose among the likeliest that hold this share; 1 = all', decimal(0, 1), 1)
    .option('--seed <number>', 'seed of the choice', wholeNumber(0), 1)
    .addOption(new Option('--weights <format>', 'bfloat16 reads half as much per token and rounds every matrix to 8 bits').choices(numberFormats).default('float32'))
    .action((run: string, options: SampleOptions & CommonOptions) => {
      const { prompt, length, temperature, topK, topP, seed, weights } = options;
      return sample(contextOf(options), run, { prompt, length, temperature, topK, topP, seed, weights });
    });

  command('forecast', ['<run>', 'id or name of a run'], 'Predictions with intervals, beside naive ones and what came.')
    .option('--at <time>', 'last known time, as the table writes it')
    .addOption(new Option('--split <name>', 'part of the data; end = what comes after the table').choices(['train', 'validation', 'test', 'end']).default('end'))
    .option('--window <number>', 'window of that part', wholeNumber(0), 0)
    .action((run: string, options: { at?: string; split: 'train' | 'validation' | 'test' | 'end'; window: number } & CommonOptions) => forecast(contextOf(options), run, options));

  command('predict', ['<run>', 'id or name of a run'], 'What a model of values from sequences answers, beside the truth.')
    .addOption(splitChoice())
    .option('--offset <number>', 'first sequence of that part', wholeNumber(0), 0)
    .option('--limit <number>', 'how many, up to 2000', wholeNumber(1, 2000), 20)
    .action((run: string, options: PredictOptions & CommonOptions) => predict(contextOf(options), run, { split: options.split, offset: options.offset, limit: options.limit }));

  command('trace', ['<run>', 'id or name of a run'], 'Writes gates and states over a sequence to a safetensors file.')
    .option('--input <file>', 'a text, or a table with the input columns')
    .option('--text <text>', 'a text', someText)
    .addOption(new Option('--split <name>', "a window or sequence of the run's own dataset").choices(['train', 'validation', 'test']))
    .option('--window <number>', 'which window', wholeNumber(0), 0)
    .requiredOption('--out <file>', 'file to write')
    .option('--gradients', 'also the gradients of the mean loss')
    .action((run: string, options: TraceOptions & CommonOptions) => trace(contextOf(options), run, options));

  command('export', ['<run>', 'id or name of a run'], 'Writes a verified ONNX file.')
    .option('--out <file>', "file to write (default: in the run's exports)")
    .option('--stateful', 'states as named inputs and outputs')
    .option('--gates', 'gates as further outputs')
    .option('--opset <number>', 'ONNX opset, 14 to 22', wholeNumber(14, 22), 17)
    .action((run: string, options: { out?: string; stateful?: boolean; gates?: boolean; opset: number } & CommonOptions) => exportOnnx(contextOf(options), run, options));

  command('weights', ['<run>', 'id or name of a run'], 'Writes the weights for PyTorch, Keras or another run.')
    .requiredOption('--out <file>', 'file to write: .safetensors or .npz')
    .addOption(new Option('--as <framework>', 'whose names, order of gates and layout').choices(['sluice', 'torch', 'keras']).default('torch'))
    .option('--checkpoint <which>', 'best, last, or the step of a checkpoint', checkpointName, 'best')
    .action((run: string, options: ExportWeightsOptions & CommonOptions) => exportWeights(contextOf(options), run, options));

  command('import-model', ['<weights>', 'file of weights: .safetensors, .npz, .weights.h5'], 'Makes a run of weights trained elsewhere: measured, not trained, ready for sample, trace and export.')
    .requiredOption('--dataset <name>', 'dataset to measure it on')
    .option('--name <name>', 'name of the run')
    .option('--set <path=value>', 'what the weights do not say, for example model.layers.0.cell=rnn-relu; repeat for several', repeated)
    .addOption(weightsFrom())
    .option('--vocabulary <file>', vocabularyHelp)
    .action((weights: string, options: ImportModelOptions & CommonOptions) => importModel(contextOf(options), weights, options));

  command('infer', ['<model>', 'ONNX file, by Sluice or by anyone'], 'Runs any ONNX file.')
    .requiredOption('--input <file>', 'data: .json, .csv, .npz, .safetensors, .txt')
    .addOption(new Option('--device <name>', 'where to run').choices(['cpu', 'cuda']).default('cpu'))
    .action((model: string, options: { input: string; device: 'cpu' | 'cuda' } & CommonOptions) => infer(contextOf(options), model, options));

  command('parity', ['<fixtures...>', 'reference files (JSON)'], 'Compares the engine with reference values.').action((files: string[], options: CommonOptions) => parity(contextOf(options), files));

  command('bench', ['[file]', 'JSON file with a shape or a list of them; - reads standard input'], 'Measures training or inference of given shapes.')
    .option('--serve', 'answer each JSON line of standard input with one line')
    .addHelpText('after', benchHelp)
    .action((file: string | undefined, options: { serve?: boolean } & CommonOptions) => {
      if (options.serve === true && file !== undefined) throw new SluiceError({ code: 'USAGE', message: 'give a file of shapes or --serve, not both' });
      if (options.serve === true) return benchServe(contextOf({ ...options, json: true }));
      if (file === undefined) throw new SluiceError({ code: 'USAGE', message: 'give a file of shapes, - for standard input, or --serve' });
      return bench(contextOf(options), file);
    });

  // Set on each command: those made before do not inherit it.
  for (const each of [program, ...program.commands]) each.exitOverride().configureOutput({ outputError: () => undefined });
  return program;
}
