import { describe, expect, it } from 'vitest';
import { runConfig } from '../contracts';
import { changedConfig, settingsOf } from './changes';

const config = runConfig.parse({ dataset: 'd', task: { kind: 'language-model' } });
const refusal = (set: string[]): unknown => {
  try {
    return settingsOf(config, set);
  } catch (error) {
    return error;
  }
};

describe('settings that change while a run trains', () => {
  it('are read against the schema, and what is so already is no change', () => {
    expect(settingsOf(config, ['training.optimizer.learningRate=0.5', 'training.clip.norm=null', 'training.maxSteps=3000'])).toEqual([
      { field: 'training.optimizer.learningRate', to: 0.5 },
      { field: 'training.clip.norm', to: null },
    ]);
  });
  it('are refused at their field', () => {
    expect(refusal(['training.batchSize=4'])).toMatchObject({ code: 'CONFIG_INVALID', where: 'training.batchSize' });
    expect(refusal(['training.clip.nor=4'])).toMatchObject({ code: 'CONFIG_INVALID', details: { nearest: 'training.clip.norm' } });
    expect(refusal(['training.optimizer.learningRate=-1'])).toMatchObject({ code: 'CONFIG_INVALID', where: 'training.optimizer.learningRate' });
    expect(refusal(['training.maxSteps=1.5'])).toMatchObject({ where: 'training.maxSteps' });
    expect(refusal(['training.maxSteps=null'])).toMatchObject({ code: 'CONFIG_INVALID', where: 'training.maxSteps' });
    expect(refusal(['learning'])).toMatchObject({ code: 'CONFIG_INVALID' });
  });
  it('are laid over the configuration in their order', () => {
    const changed = changedConfig(config, [
      { step: 3, field: 'training.clip.norm', from: 5, to: null },
      { step: 9, field: 'training.clip.norm', from: null, to: 2 },
      { step: 9, field: 'earlyStopping.patience', from: null, to: 4 },
    ]);
    expect([changed.training.clip.norm, changed.earlyStopping.patience]).toEqual([2, 4]);
  });
});
