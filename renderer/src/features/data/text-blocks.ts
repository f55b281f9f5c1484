/** Characters in one block of the text view. */
export const blockCharacters = 2000;
/** How far behind a block's nominal start a line end is looked for. */
const reach = 600;

/** What to ask for, to show block `index` of `total` characters. */
export function blockRequest(index: number, total: number): { offset: number; limit: number } {
  const offset = index * blockCharacters;
  return { offset, limit: Math.max(1, Math.min(blockCharacters + reach, total - offset)) };
}

/**
 * Cuts a block at line ends, so that no line is torn between two: it begins behind the first line feed
 * within reach of its nominal start and ends behind the first one within reach of the next.
 */
export function cutBlock(text: string, index: number, total: number): { text: string; offset: number } {
  const characters = [...text];
  const behindLine = (from: number) => {
    const found = characters.slice(from, from + reach).indexOf('\n');
    return found < 0 ? from : from + found + 1;
  };
  const start = index === 0 ? 0 : behindLine(0);
  const isLast = (index + 1) * blockCharacters >= total;
  const end = isLast ? characters.length : behindLine(blockCharacters);
  return { text: characters.slice(start, end).join(''), offset: index * blockCharacters + start };
}
