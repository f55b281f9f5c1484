import type { Screen } from '../../stores/screen';

export const screen: Screen = {
  id: 'settings',
  title: 'settings.title',
  icon: 'settings',
  order: null,
  component: () => import('./Settings.vue'),
};
