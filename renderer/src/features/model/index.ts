import { presetNames } from '../../../../engine/contracts';
import { t } from '../../locales';
import { useArchitecture } from '../../stores/architecture';
import { useDatasets } from '../../stores/datasets';
import type { Screen } from '../../stores/screen';
import { useWeights } from '../../stores/weights';

export const screen: Screen = {
  id: 'model',
  title: 'model.title',
  icon: 'model',
  order: 2,
  component: () => import('./Model.vue'),
  overlay: () => import('./WeightsDialog.vue'),
  crumb: () => {
    const dataset = useDatasets().selectedId;
    return dataset === null ? null : [dataset, t('model.newRun')];
  },
  commands: () => {
    const architecture = useArchitecture();
    const fits = (name: string) => (architecture.presets.length > 0 ? architecture.presets.some((preset) => preset.name === name) : (useDatasets().selected?.kind === 'table') === name.startsWith('forecast'));
    return [
      {
        id: 'model.train',
        title: 'model.trainCommand',
        keys: 'Mod+Enter',
        // Without the screen ever opened there is no draft yet: training loads it.
        blocked: () => (architecture.draft === null && useDatasets().selectedId !== null ? null : architecture.blocked),
        run: async () => void (await architecture.train()),
      },
      {
        id: 'model.weights',
        title: 'weights.start',
        blocked: () => (useDatasets().selectedId === null ? t('model.blocked.dataset') : null),
        run: () => useWeights().pick(),
      },
      ...presetNames.map((name) => ({
        id: `model.preset.${name}`,
        title: 'model.presetCommand',
        values: () => ({ name }),
        when: () => useDatasets().selected !== null && fits(name),
        run: () => architecture.choosePreset(name),
      })),
    ];
  },
};
