import { describe, expect, it } from 'vitest';
import { refusal } from './fence.mjs';

describe('import fences', () => {
  it.each([
    ['engine/contracts/run.ts', 'zod'],
    ['engine/contracts/run.ts', './errors'],
    ['engine/dataset/csv.ts', '../contracts'],
    ['engine/dataset/csv.ts', '../ports'],
    ['engine/dataset/csv.ts', '../workspace'],
    ['engine/dataset/csv.ts', './deep/inside'],
    ['engine/dataset/csv.ts', '@duckdb/node-api'],
    ['engine/dataset/csv.ts', 'node:fs/promises'],
    ['engine/cli/main.ts', '../workbench'],
    ['electron/engine-host/index.ts', '../../engine/workbench'],
    ['electron/preload/index.ts', '../shared/channels'],
    ['renderer/src/features/train/Plates.vue', '../../stores/traces'],
    ['renderer/src/features/train/Plates.vue', '../../../../engine/contracts'],
    ['renderer/src/locales/ko/train.ts', '..'],
    ['renderer/src/charts/plate.test.ts', 'node:fs'],
    ['renderer/src/charts/plate.test.ts', 'vitest'],
  ])('%s may import %s', (file, specifier) => {
    expect(refusal(file, specifier)).toBeNull();
  });

  it.each([
    ['engine/contracts/run.ts', 'node:fs'],
    ['engine/contracts/run.ts', '../binding/types'],
    ['engine/dataset/csv.ts', 'electron'],
    ['engine/dataset/csv.ts', '../training/queue'],
    ['engine/dataset/csv.ts', '@sluice/native'],
    ['engine/cli/main.ts', '../dataset'],
    ['electron/main/index.ts', '../../engine/workbench'],
    ['electron/main/index.ts', '../../renderer/src/main'],
    ['electron/engine-host/index.ts', '../../engine/dataset'],
    ['electron/preload/index.ts', 'node:path'],
    ['electron/preload/index.ts', 'fs'],
    ['renderer/src/features/train/Plates.vue', '../data/Table.vue'],
    ['renderer/src/features/train/Plates.vue', '../../bridge/client'],
    ['renderer/src/features/train/Plates.vue', 'electron'],
    ['renderer/src/charts/Plate.vue', '../bridge/shell'],
    ['renderer/src/App.vue', '../../engine/dataset'],
    ['renderer/src/App.vue', 'commander'],
  ])('%s may not import %s', (file, specifier) => {
    expect(refusal(file, specifier)).not.toBeNull();
  });
});
