// What `electron <path>` does in an official build, for a runtime that came without it: options before the
// path are read, modules asked for with -r are loaded, then the application at the path starts.
import { app } from 'electron';
import fs from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const preload = [];
let file = null;
const given = process.argv.slice(1);
for (let at = 0; at < given.length; at += 1) {
  if (given[at] === '-r' || given[at] === '--require') {
    at += 1;
    preload.push(given[at]);
  } else if (given[at] === '--version') {
    console.log(`v${process.versions.electron}`);
    process.exit(0);
  } else if (!given[at].startsWith('-')) {
    file = given[at];
    break;
  }
}

const require = createRequire(import.meta.url);
for (const each of preload) require(path.resolve(each));
if (file === null) {
  console.error('usage: electron PATH');
  process.exit(1);
}

Object.defineProperty(process, 'defaultApp', { value: true, enumerable: true });
const root = path.resolve(file);
const manifest = path.join(root, 'package.json');
let appPath;
if (fs.existsSync(manifest)) {
  const about = JSON.parse(fs.readFileSync(manifest, 'utf8'));
  appPath = root;
  if (about.version) app.setVersion(about.version);
  app.name = about.productName ?? about.name ?? app.name;
}
const entry = Module._resolveFilename(root, null, true);
app.setAppPath(appPath ?? path.dirname(entry));
await import(pathToFileURL(entry).href);
