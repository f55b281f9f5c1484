import type { Screen } from '../../stores/screen';
import { useRuns } from '../../stores/runs';
import { canContinue } from './run-list';

export const screen: Screen = {
  id: 'train',
  title: 'train.title',
  icon: 'train',
  order: 3,
  component: () => import('./TrainScreen.vue'),
  commands: () => {
    const runs = useRuns();
    const selected = () => runs.selected;
    return [
      {
        id: 'run.pauseOrResume',
        title: 'train.commands.pauseOrResume',
        keys: 'Space',
        screen: 'train',
        when: () => ['running', 'paused'].includes(selected()?.state ?? ''),
        run: () => (selected()!.state === 'paused' ? runs.resume(selected()!.id) : runs.pause(selected()!.id)),
      },
      {
        id: 'run.stop',
        title: 'train.commands.stop',
        screen: 'train',
        when: () => ['running', 'paused', 'queued'].includes(selected()?.state ?? ''),
        run: () => runs.stop(selected()!.id),
      },
      {
        id: 'run.continue',
        title: 'train.commands.continue',
        screen: 'train',
        when: () => selected() !== null && canContinue(selected()!),
        run: () => runs.continueRun(selected()!.id),
      },
    ];
  },
  live: () => useRuns().active?.state === 'running',
  crumb: () => {
    const run = useRuns().selected;
    return run ? [run.dataset, run.name] : null;
  },
};
