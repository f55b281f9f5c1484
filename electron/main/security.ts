import { isAbsolute, join, relative, sep } from 'node:path';

/** The window's own scheme: a page of `file:` could read files, one of this reads only the bundle. */
export const scheme = 'sluice';
export const origin = `${scheme}://app`;
export const startPage = `${origin}/index.html`;

/**
 * What the page may load: its own files, nothing else. Styles in attributes are allowed because KaTeX places
 * the parts of a formula with them; style elements and all inline or evaluated scripts are not.
 * `devServer` (development only) is the origin of the server that reloads the page.
 */
export function contentSecurityPolicy(devServer?: string): string {
  const own = devServer ? `'self' ${devServer}` : "'self'";
  const rules = [
    "default-src 'none'",
    `script-src ${own}${devServer ? " 'unsafe-inline'" : ''}`,
    `style-src-elem ${own}${devServer ? " 'unsafe-inline'" : ''}`,
    "style-src-attr 'unsafe-inline'",
    `img-src ${own} data: blob:`,
    `font-src ${own}`,
    `connect-src ${own}${devServer ? ` ${devServer.replace(/^http/, 'ws')}` : ''}`,
    `worker-src ${own}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return rules.join('; ');
}

const types: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  woff: 'font/woff',
  woff2: 'font/woff2',
  ttf: 'font/ttf',
  txt: 'text/plain; charset=utf-8',
};

/**
 * The file of the bundle that an address of the own scheme means, or null where it means none: a foreign host,
 * a path out of the folder, a kind of file the bundle never holds.
 */
export function bundleFile(address: string, folder: string): { path: string; type: string } | null {
  let url: URL;
  let pathname: string;
  try {
    url = new URL(address);
    pathname = decodeURIComponent(url.pathname);
  } catch {
    return null;
  }
  if (url.protocol !== `${scheme}:` || url.host !== 'app' || pathname.includes('\0')) return null;
  const path = join(folder, pathname);
  const inside = relative(folder, path);
  if (inside === '' || isAbsolute(inside) || inside === '..' || inside.startsWith(`..${sep}`)) return null;
  const type = types[path.slice(path.lastIndexOf('.') + 1).toLowerCase()];
  return type ? { path, type } : null;
}

/** True for pages of the application itself; `devServer` is the origin of the development server, if one is used. */
export function isOwnPage(address: string, devServer?: string): boolean {
  return address.startsWith(`${origin}/`) || (devServer !== undefined && address.startsWith(`${devServer}/`));
}

/** Headers of every answer of the own scheme. */
export function responseHeaders(type: string): Record<string, string> {
  return {
    'content-type': type,
    'content-security-policy': contentSecurityPolicy(),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
  };
}

/** True where `path` is `folder` or lies in it. Both absolute and free of links. */
export function isInside(path: string, folder: string): boolean {
  const inside = relative(folder, path);
  return !isAbsolute(inside) && inside !== '..' && !inside.startsWith(`..${sep}`);
}
