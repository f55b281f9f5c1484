/** Edits (insert, delete, replace) that turn one text into the other; Levenshtein 1966. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** The candidate that begins with `name` or is most like it, case aside; null where none is like it at all. */
export function nearest(name: string, candidates: readonly string[]): string | null {
  const beginning = candidates.find((candidate) => name.length >= 2 && candidate.toLowerCase().startsWith(name.toLowerCase()));
  if (beginning !== undefined) return beginning;
  let best: { candidate: string; edits: number } | null = null;
  for (const candidate of candidates) {
    const edits = distance(name.toLowerCase(), candidate.toLowerCase());
    if (!best || edits < best.edits) best = { candidate, edits };
  }
  return best && best.edits <= Math.max(1, Math.floor(name.length / 2)) ? best.candidate : null;
}
