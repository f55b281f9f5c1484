import path from 'node:path';

/** The checkout. */
export const root = path.resolve(import.meta.dirname, '../..');
/** What set-up remembers about this checkout. */
export const cache = path.join(root, '.cache');
/** Downloads that several checkouts may share: `$SLUICE_CACHE`, else inside the checkout. */
export const downloads = process.env.SLUICE_CACHE ? path.resolve(process.env.SLUICE_CACHE) : cache;
