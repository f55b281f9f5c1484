import { builtinModules } from 'node:module';
import path from 'node:path';
import { rooms, testPackages } from './rooms.mjs';

const builtins = new Set(builtinModules);

/** @param {string} specifier */
function packageName(specifier) {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}

/** Folder that may see all of itself: a service, a feature, or the whole room. @param {string} file */
function ownFolder(file) {
  const match = /^(engine\/[^/]+\/|electron\/[^/]+\/|renderer\/src\/features\/[^/]+\/|renderer\/src\/[^/]+\/|renderer\/)/.exec(file);
  return match ? match[1] : file;
}

/** Does an entry of a room's `rooms` open this path? @param {string} entry @param {string} target */
function opens(entry, target) {
  if (entry.endsWith('/')) return `${target}/`.startsWith(entry);
  const door = entry.replaceAll('*', '[^/]+');
  return new RegExp(`^${door}(\\.ts|/index(\\.ts)?)?$`).test(target);
}

/**
 * Why an import may not stand where it stands, or null.
 * @param {string} file path of the importing file from the repository's root, with `/`
 * @param {string} specifier
 * @returns {string | null}
 */
export function refusal(file, specifier) {
  const room = rooms.find((candidate) => candidate.folder.test(file));
  if (!room) return null;
  const isTest = /\.test\.ts$/.test(file);
  if (specifier.startsWith('.')) {
    const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier.replace(/\?.*$/, '')));
    if (`${target}/`.startsWith(ownFolder(file)) || room.rooms.some((entry) => opens(entry, target))) return null;
    if (isTest && target.startsWith('tests/')) return null;
    return `room "${room.name}" may not import ${target}`;
  }
  const bare = specifier.replace(/^node:/, '');
  if (specifier.startsWith('node:') || builtins.has(bare)) {
    return room.node || isTest ? null : `room "${room.name}" may not use Node's ${bare}`;
  }
  const name = packageName(specifier);
  if (isTest && testPackages.includes(name)) return null;
  const allowed = room.packages.includes(name) || (room.packages.includes('*') && !room.never?.includes(name));
  return allowed ? null : `room "${room.name}" may not use the package ${name}`;
}

/** ESLint rule: an import crosses only the borders that rooms.mjs opens. @type {import('eslint').Rule.RuleModule} */
export const fence = {
  meta: { type: 'problem', schema: [], messages: { refused: '{{reason}} (see docs/architecture.md).' } },
  create(context) {
    const file = path.relative(context.cwd, context.filename).split(path.sep).join('/');
    /** @param {import('estree').Node | null | undefined} source */
    const check = (source) => {
      if (!source || source.type !== 'Literal' || typeof source.value !== 'string') return;
      const reason = refusal(file, source.value);
      if (reason) context.report({ node: source, messageId: 'refused', data: { reason } });
    };
    return {
      ImportDeclaration: (node) => check(node.source),
      ExportNamedDeclaration: (node) => check(node.source),
      ExportAllDeclaration: (node) => check(node.source),
      ImportExpression: (node) => check(node.source),
      /** `import('x').T` in a type; its node is not in estree's list. */
      TSImportType: (/** @type {any} */ node) => check(node.source ?? node.argument?.literal),
    };
  },
};
