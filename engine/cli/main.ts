import { CommanderError } from 'commander';
import { isWrongUse, SluiceError } from '../contracts';
import { applicationVersion, type Context } from './context';
import { createOutput } from './output';
import { createProgram } from './program';
import { isOver, tellOutputFailure, watchReader } from './reader';

watchReader();

/** Runs one command; exit status 0 success, 1 the work failed, 2 wrong use. */
async function main(args: string[]): Promise<number> {
  let context: Context | null = null;
  let debug = args.includes('--debug');
  const program = createProgram(applicationVersion(), (made, wantsDebug) => {
    context = made;
    debug = wantsDebug;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    // An error has its own line and status, whoever reads them.
    isOver();
    const output = (context as Context | null)?.output ?? createOutput(args.includes('--json'));
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      if (error.code === 'commander.help') {
        program.outputHelp({ error: true });
        return 2;
      }
      // An argument may be a whole text; its beginning says which one is meant.
      const message = error.message.replace(/^error: /, '').replace(/'([^']{80})[^']+'/g, "'$1…'");
      output.error(new SluiceError({ code: 'USAGE', message }), debug);
      return 2;
    }
    return isWrongUse(output.error(error, debug).code) ? 2 : 1;
  }
}

const status = await main(process.argv.slice(2));
isOver();
// What is written must be out before the process ends, and it ends even where a library keeps a thread.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
process.exit(status === 0 && tellOutputFailure() ? 1 : status);
