import { t } from '../../locales';
import { useDatasets } from '../../stores/datasets';
import type { Screen } from '../../stores/screen';
import { dataCommands } from './commands';

export const screen: Screen = {
  id: 'data',
  title: 'data.title',
  icon: 'data',
  order: 1,
  component: () => import('./Data.vue'),
  overlay: () => import('./DataDialogs.vue'),
  commands: dataCommands,
  crumb: () => {
    const id = useDatasets().selectedId;
    return id === null ? null : [t('data.title'), id];
  },
};
