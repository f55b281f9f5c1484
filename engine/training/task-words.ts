import type { TaskKind } from '../contracts';

/** What a run does, to say why it cannot do something else. */
export const doing: Record<TaskKind, string> = {
  'language-model': 'is a language model',
  forecast: 'forecasts',
  regress: 'learns values from sequences',
  'binary-vectors': 'predicts vectors',
  label: 'labels sequences',
};
