import { expect, it } from 'vitest';
import { countCargo, countPlaywright, countVitest } from './test-counts.mjs';

it('adds up the test binaries of cargo', () => {
  const output = [
    'running 3 tests',
    'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s',
    'running 2 tests',
    'test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s',
  ].join('\n');
  expect(countCargo(output)).toEqual({ passed: 4, failed: 1, skipped: 1 });
});

it('counts nothing where cargo could not build', () => {
  expect(countCargo('error[E0425]: cannot find value')).toEqual({ passed: 0, failed: 0, skipped: 0 });
});

it('counts a test file that does not load as a failure', () => {
  const report = {
    numPassedTests: 5,
    numFailedTests: 1,
    numPendingTests: 2,
    numTodoTests: 0,
    testResults: [
      { status: 'failed', assertionResults: [{ status: 'failed' }, { status: 'passed' }] },
      { status: 'failed', assertionResults: [] },
      { status: 'passed', assertionResults: [{ status: 'passed' }] },
    ],
  };
  expect(countVitest(JSON.stringify(report))).toEqual({ passed: 5, failed: 2, skipped: 2 });
});

it('counts a flaky window test as passed and a broken start as failed', () => {
  expect(countPlaywright(JSON.stringify({ stats: { expected: 3, flaky: 1, unexpected: 2, skipped: 1 }, errors: [] }))).toEqual({ passed: 4, failed: 2, skipped: 1 });
  expect(countPlaywright(JSON.stringify({ stats: { expected: 0, flaky: 0, unexpected: 0, skipped: 0 }, errors: [{ message: 'x' }] }))).toEqual({ passed: 0, failed: 1, skipped: 0 });
});
