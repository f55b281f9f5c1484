/**
 * How many tests of a stage passed, failed and were skipped, read from what its tool reports.
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 */

/** Output of `cargo test`: one summary line per test binary. @param {string} output @returns {Counts} */
export function countCargo(output) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
    counts.skipped += Number(ignored);
  }
  return counts;
}

/** vitest's JSON report; a file that could not be loaded counts as one failure. @param {string} report @returns {Counts} */
export function countVitest(report) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(report);
  const broken = testResults.filter(
    /** @param {{ status: string, assertionResults: { status: string }[] }} file */
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  return { passed: numPassedTests, failed: numFailedTests + broken, skipped: numPendingTests + numTodoTests };
}

/** Playwright's JSON report; a test that passed at its second try is passed. @param {string} report @returns {Counts} */
export function countPlaywright(report) {
  const { stats, errors } = JSON.parse(report);
  return { passed: stats.expected + stats.flaky, failed: stats.unexpected + (stats.expected + stats.unexpected === 0 ? errors.length : 0), skipped: stats.skipped };
}
