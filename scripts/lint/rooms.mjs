/**
 * The rooms of the repository and the ways between them: the table of docs/architecture.md, read by the
 * lint rule `sluice/fence`. The first room whose `folder` holds a file is the file's room.
 *
 * `rooms`: other rooms it may import (`*` in a name stands for one folder; an entry that ends in `/` opens every
 * file of the folder, one without opens the file of that name or the folder's index only). `packages`: npm
 * packages, `*` = any but those of `never`. `node`: whether Node's own modules are allowed.
 *
 * @typedef {{ name: string, folder: RegExp, rooms: string[], packages: string[], never?: string[], node: boolean }} Room
 */

export const windowPackages = [
  'vue',
  'pinia',
  'vue-i18n',
  'echarts',
  'reka-ui',
  '@vueuse/core',
  '@tanstack/vue-virtual',
  '@fontsource-variable/inter',
  '@fontsource-variable/jetbrains-mono',
  'pretendard',
];

const windowAndShell = ['electron', ...windowPackages];

/** @type {Room[]} */
export const rooms = [
  { name: 'contracts', folder: /^engine\/contracts\//, rooms: [], packages: ['zod'], node: false },
  { name: 'binding', folder: /^engine\/binding\//, rooms: ['engine/contracts'], packages: ['@sluice/native'], node: true },
  {
    name: 'command line',
    folder: /^engine\/cli\//,
    rooms: ['engine/contracts', 'engine/workbench'],
    packages: ['commander', 'zod'],
    node: true,
  },
  {
    name: 'workbench',
    folder: /^engine\/(workbench|ports)\.ts$/,
    rooms: ['engine/contracts', 'engine/ports', 'engine/binding', 'engine/binding/types', 'engine/*'],
    packages: ['zod'],
    node: true,
  },
  {
    name: 'engine service',
    folder: /^engine\/[^/]+\//,
    rooms: ['engine/contracts', 'engine/ports', 'engine/binding/types', 'engine/*'],
    packages: ['*'],
    never: [...windowAndShell, '@sluice/native'],
    node: true,
  },
  { name: 'shell messages', folder: /^electron\/shared\//, rooms: ['engine/contracts'], packages: ['zod'], node: false },
  {
    name: 'main',
    folder: /^electron\/main\//,
    rooms: ['engine/contracts', 'electron/shared/'],
    packages: ['electron', 'zod'],
    node: true,
  },
  {
    name: 'engine host',
    folder: /^electron\/engine-host\//,
    rooms: ['engine/contracts', 'engine/workbench', 'electron/shared/'],
    packages: ['electron', 'zod'],
    node: true,
  },
  {
    name: 'preload',
    folder: /^electron\/preload\//,
    rooms: ['engine/contracts', 'engine/contracts/ports-message', 'electron/shared/'],
    packages: ['electron'],
    node: false,
  },
  {
    name: 'bridge',
    folder: /^renderer\/src\/bridge\//,
    rooms: ['engine/contracts', 'engine/contracts/'],
    packages: windowPackages,
    node: false,
  },
  {
    name: 'stores',
    folder: /^renderer\/src\/stores\//,
    rooms: ['engine/contracts', 'engine/contracts/', 'renderer/src/bridge/', 'renderer/src/charts/', 'renderer/src/locales/'],
    packages: windowPackages,
    node: false,
  },
  {
    name: 'ui',
    folder: /^renderer\/src\/ui\//,
    rooms: ['renderer/src/locales/'],
    packages: windowPackages,
    node: false,
  },
  {
    name: 'charts and diagrams',
    folder: /^renderer\/src\/(charts|diagrams)\//,
    rooms: ['engine/contracts', 'engine/contracts/', 'renderer/src/locales/', 'renderer/src/ui/', 'renderer/src/charts/'],
    packages: windowPackages,
    node: false,
  },
  {
    name: 'locales',
    folder: /^renderer\/src\/locales\//,
    rooms: ['engine/contracts'],
    packages: ['vue-i18n'],
    node: false,
  },
  {
    name: 'feature',
    folder: /^renderer\/src\/features\//,
    rooms: [
      'engine/contracts',
      'engine/contracts/',
      'renderer/src/locales/',
      'renderer/src/stores/',
      'renderer/src/charts/',
      'renderer/src/diagrams/',
      'renderer/src/ui/',
    ],
    packages: windowPackages,
    node: false,
  },
  {
    name: 'window',
    folder: /^renderer\//,
    rooms: ['engine/contracts', 'engine/contracts/', 'renderer/'],
    packages: windowPackages,
    node: false,
  },
];

/** Libraries that a unit test may use in any room. */
export const testPackages = ['vitest', 'fast-check'];
