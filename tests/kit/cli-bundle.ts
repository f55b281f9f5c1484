import { build } from 'vite';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** Where the command line under test lies: inside the checkout, so that its packages are found. */
export const cliBundle = resolve(root, '.cache/test-cli/cli.js');

/** Bundles the command line as it stands now, once before the tests that start it as a process. */
export default async function setup(): Promise<void> {
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    build: {
      ssr: true,
      target: 'node20.18',
      outDir: resolve(cliBundle, '..'),
      emptyOutDir: true,
      minify: false,
      sourcemap: true,
      rollupOptions: { input: resolve(root, 'engine/cli/main.ts'), output: { entryFileNames: 'cli.js' } },
    },
  });
}
