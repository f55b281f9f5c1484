import { defineConfig } from '@playwright/test';

/** Tests in the real window. One at a time: each trains, and a second one would take its processor. */
export default defineConfig({
  testDir: 'tests/e2e',
  outputDir: 'test-results/window',
  timeout: 180_000,
  expect: { timeout: 20_000 },
  workers: 1,
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  retries: process.env.CI ? 1 : 0,
  use: { trace: 'retain-on-failure', screenshot: 'only-on-failure' },
});
