import { readFile } from 'node:fs/promises';
import { protocol } from 'electron';
import { bundleFile, responseHeaders, scheme } from './security';

/** Before the application is ready: the scheme counts as a secure standard origin. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
}

/** Serves the page's bundle, and nothing else, under the own scheme. */
export function serveBundle(folder: string): void {
  protocol.handle(scheme, async (request) => {
    const file = request.method === 'GET' ? bundleFile(request.url, folder) : null;
    const content = file && (await readFile(file.path).catch(() => null));
    if (!file || !content) return new Response('not found', { status: 404, headers: responseHeaders('text/plain; charset=utf-8') });
    return new Response(new Uint8Array(content), { headers: responseHeaders(file.type) });
  });
}
