/** Names of one family differ at their ends: this much of one stays whatever else has to go. */
const tailLength = 7;

/** The text, or as much of its beginning as fits before an ellipsis and its end. `measure` gives a text's width. */
export function cutMiddle(text: string, width: number, measure: (text: string) => number): string {
  if (measure(text) <= width) return text;
  const letters = [...text];
  const tail = letters.slice(-tailLength).join('');
  const cut = (count: number) => `${letters.slice(0, count).join('').trimEnd()}…${tail}`;
  let [fits, tooMany] = [0, Math.max(1, letters.length - tailLength)];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (measure(cut(middle)) <= width) fits = middle;
    else tooMany = middle;
  }
  return cut(fits);
}
