export interface Segment {
  text: string;
  sub: boolean;
}

/** Splits `W_{xf}x_{t}` into text and subscripts. */
export function segments(source: string): Segment[] {
  const found: Segment[] = [];
  let from = 0;
  for (const match of source.matchAll(/_\{([^}]*)\}/g)) {
    if (match.index > from) found.push({ text: source.slice(from, match.index), sub: false });
    found.push({ text: match[1]!, sub: true });
    from = match.index + match[0].length;
  }
  if (from < source.length) found.push({ text: source.slice(from), sub: false });
  return found;
}
