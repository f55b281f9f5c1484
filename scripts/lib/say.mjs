/** Set-up talks on standard error: standard output belongs to the command that runs afterwards. @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Something its reader has to do first; printed without a stack trace. */
export class SetupError extends Error {}

/** Runs a script's main function; a SetupError becomes one clear line and exit status 1. @param {() => Promise<number>} work */
export async function main(work) {
  try {
    process.exitCode = await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`sluice: ${error.message}`);
    process.exitCode = 1;
  }
}
