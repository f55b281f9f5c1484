import { resolve } from 'node:path';
import { build } from 'vite';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** The command line as it stands now, bundled for this project's tests. */
    cliBundle: string;
  }
}

const root = resolve(import.meta.dirname, '../..');

/**
 * Bundles the command line once before the tests that start it as a process. It lies inside the checkout, so that its
 * packages are found, and each test project has its own, as they are set up side by side.
 */
export default async function setup(project: TestProject): Promise<void> {
  const folder = resolve(root, '.cache/test-cli', project.name);
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    build: {
      ssr: true,
      target: 'node20.18',
      outDir: folder,
      emptyOutDir: true,
      minify: false,
      sourcemap: true,
      rollupOptions: { input: resolve(root, 'engine/cli/main.ts'), output: { entryFileNames: 'cli.js' } },
    },
  });
  project.provide('cliBundle', resolve(folder, 'cli.js'));
}
