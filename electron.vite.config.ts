import { resolve } from 'node:path';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';

const at = (path: string): string => resolve(import.meta.dirname, path);

/**
 * Three bundles. Targets are the oldest runtime the set-up may find (Electron 33: Node 20.18, Chromium 130),
 * whatever the one at hand, so that a bundle built once runs on all.
 */
export default defineConfig({
  main: {
    build: {
      outDir: at('out/main'),
      target: 'node20.18',
      sourcemap: true,
      minify: false,
      externalizeDeps: { include: ['@sluice/native'] },
      rollupOptions: {
        input: {
          index: at('electron/main/index.ts'),
          'engine-host': at('electron/engine-host/index.ts'),
          cli: at('engine/cli/main.ts'),
        },
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      outDir: at('out/preload'),
      target: 'node20.18',
      sourcemap: false,
      minify: false,
      // A sandboxed preload script can require nothing but electron, and has to be CommonJS.
      externalizeDeps: false,
      rollupOptions: {
        input: { index: at('electron/preload/index.ts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: at('renderer'),
    plugins: [vue()],
    // Switches that vue-i18n and Vue read while bundling; the message compiler would need eval, which the CSP forbids.
    define: {
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_I18N_FULL_INSTALL__: 'true',
      __VUE_I18N_LEGACY_API__: 'false',
      __INTLIFY_JIT_COMPILATION__: 'true',
      __INTLIFY_DROP_MESSAGE_COMPILER__: 'false',
      __INTLIFY_PROD_DEVTOOLS__: 'false',
    },
    build: {
      outDir: at('out/renderer'),
      target: 'chrome130',
      // Every asset is a file of the own protocol: nothing needs data: in the CSP's font or script rules.
      assetsInlineLimit: 0,
      rollupOptions: { input: at('renderer/index.html') },
    },
  },
});
