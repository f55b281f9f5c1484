import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runConfig, type Dataset } from '../../../engine/contracts';

/** Every request waits until the test answers it. */
const asked: { method: string; input: { dataset?: string | null }; answer: (output: unknown) => void }[] = [];
vi.mock('./workbench', () => ({
  useWorkbench: () => ({ call: (method: string, input: object) => new Promise((answer) => asked.push({ method, input, answer })), on: () => () => {} }),
}));
const { useArchitecture } = await import('./architecture');
const { useDatasets } = await import('./datasets');

const config = (dataset: string) => runConfig.parse({ dataset, task: { kind: 'language-model' } });
const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};
/** Answers the oldest open request of that method about that dataset. */
async function answer(method: string, dataset?: string): Promise<void> {
  const at = asked.findIndex((one) => one.method === method && (dataset === undefined || one.input.dataset === dataset));
  expect(at, `${method} ${dataset ?? ''} was asked`).toBeGreaterThanOrEqual(0);
  const [request] = asked.splice(at, 1);
  const presets = [{ name: `of ${dataset}` }];
  request!.answer(method === 'models.cells' ? [{ name: 'lstm' }] : method === 'models.preset' ? { presets, preset: 'char-lstm', config: config(dataset!) } : { description: { blocks: [], problems: [] } });
  await settle();
}

describe('drafts of datasets', () => {
  beforeEach(() => {
    asked.length = 0;
    setActivePinia(createPinia());
    useDatasets().list = ['a', 'b'].map((id) => ({ id, task: { kind: 'language-model' } }) as Dataset);
  });

  async function loaded(id: string): Promise<void> {
    useDatasets().select(id);
    const done = useArchitecture().load();
    await settle();
    if (asked.some(({ method }) => method === 'models.cells')) await answer('models.cells');
    await answer('models.preset', id);
    await answer('models.describe');
    await done;
  }

  it('an older answer does not replace a newer one, whichever comes first', async () => {
    const architecture = useArchitecture();
    await loaded('a');
    architecture.forget('a');
    const loads = ['a', 'b'].map((id) => {
      useDatasets().select(id);
      return architecture.load();
    });
    await settle();
    await answer('models.preset', 'b');
    await answer('models.preset', 'a');
    await answer('models.describe');
    await answer('models.describe');
    await Promise.all(loads);
    expect(architecture.draft!.dataset).toBe('b');
    expect(architecture.presets.map(({ name }) => name)).toEqual(['of b']);
  });

  it('two loads of one dataset ask once', async () => {
    await loaded('a');
    useDatasets().select('b');
    void useArchitecture().load();
    void useArchitecture().load();
    await settle();
    expect(asked.map(({ method }) => method)).toEqual(['models.preset']);
  });

  it('the draft of one dataset is not kept as that of another, and comes back with its presets', async () => {
    const architecture = useArchitecture();
    await loaded('a');
    architecture.set('model.layers.0.hiddenSize', 7);
    useDatasets().select('b');
    void architecture.load();
    void architecture.load();
    await settle();
    await answer('models.preset', 'b');
    await answer('models.describe');
    await answer('models.describe');
    expect(architecture.draft!.dataset).toBe('b');
    useDatasets().select('a');
    await architecture.load();
    expect(architecture.draft!).toMatchObject({ dataset: 'a', model: { layers: [{ hiddenSize: 7 }] } });
    expect(architecture.presets.map(({ name }) => name)).toEqual(['of a']);
  });

  it('a choice of preset is dropped once another dataset is shown', async () => {
    const architecture = useArchitecture();
    await loaded('a');
    void architecture.choosePreset('char-gru');
    await settle();
    await loaded('b');
    await answer('models.preset', 'a');
    await answer('models.describe');
    expect(architecture.draft!.dataset).toBe('b');
  });
});
