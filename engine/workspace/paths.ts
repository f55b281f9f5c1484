import { join, resolve } from 'node:path';

/** Where things are in a workspace; pure, nothing is created. Names must have been checked (`checkName`). */
export interface WorkspacePaths {
  root: string;
  datasets: string;
  runs: string;
  trash: string;
  dataset(id: string): string;
  run(id: string): string;
  /** Folder of a run's exports. */
  exports(run: string): string;
}

export function workspacePaths(root: string): WorkspacePaths {
  const absolute = resolve(root);
  const datasets = join(absolute, 'datasets');
  const runs = join(absolute, 'runs');
  return {
    root: absolute,
    datasets,
    runs,
    trash: join(absolute, 'trash'),
    dataset: (id) => join(datasets, id),
    run: (id) => join(runs, id),
    exports: (run) => join(runs, run, 'exports'),
  };
}
