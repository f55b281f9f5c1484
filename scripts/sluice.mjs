// npm run -s sluice -- COMMAND: the command line of this checkout. Never needs Electron or a display.
import { constants } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './lib/paths.mjs';
import { SetupError, say } from './lib/say.mjs';
import { setUpEngine } from './setup.mjs';

const interrupted = () => process.exit(128 + constants.signals.SIGINT);
process.once('SIGINT', interrupted);
try {
  await setUpEngine();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(`sluice: ${error.message}`);
  process.exit(1);
}
process.removeListener('SIGINT', interrupted);

// In this very process: no second Node to start, and signals and exit status are the command's own.
const cli = path.join(root, 'out/main/cli.js');
process.argv[1] = cli;
await import(pathToFileURL(cli).href);
