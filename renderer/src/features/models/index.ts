import { t } from '../../locales';
import { useModels } from '../../stores/models';
import type { Screen } from '../../stores/screen';
import { modelCommands } from './commands';
import { fileName } from './report';

export const screen: Screen = {
  id: 'models',
  title: 'models.title',
  icon: 'models',
  order: 6,
  component: () => import('./Models.vue'),
  overlay: () => import('./ExportDialog.vue'),
  commands: modelCommands,
  crumb: () => {
    const { selected, selectedId } = useModels();
    const path = selected?.path ?? selectedId;
    return path === null ? null : [t('models.title'), fileName(path)];
  },
};
