import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const bounds = z.object({
  x: z.int(),
  y: z.int(),
  width: z.int().min(1),
  height: z.int().min(1),
  isMaximized: z.boolean(),
});
export type WindowState = z.infer<typeof bounds>;

export const minimumSize = { width: 960, height: 640 };
const usualSize = { width: 1440, height: 900 };

interface Area {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * Where a window opens: where it was, if at least a grip of its title bar is on a display that is there now;
 * else in the usual size, cut to the display.
 */
export function placeWindow(saved: WindowState | null, displays: Area[]): Partial<Area> & { width: number; height: number } {
  const grip = 80;
  const isReachable =
    saved !== null &&
    displays.some(
      (area) =>
        saved.x + saved.width - grip >= area.x && saved.x + grip <= area.x + area.width && saved.y >= area.y && saved.y + grip / 2 <= area.y + area.height,
    );
  if (saved && isReachable) {
    return { x: saved.x, y: saved.y, width: Math.max(saved.width, minimumSize.width), height: Math.max(saved.height, minimumSize.height) };
  }
  const first = displays[0];
  return {
    width: Math.max(minimumSize.width, Math.min(usualSize.width, first?.width ?? usualSize.width)),
    height: Math.max(minimumSize.height, Math.min(usualSize.height, first?.height ?? usualSize.height)),
  };
}

export function readWindowState(file: string): WindowState | null {
  try {
    const parsed = bounds.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** Losing the window's place is no harm, so a disk that refuses is passed over. */
export function writeWindowState(file: string, state: WindowState): void {
  try {
    writeFileSync(`${file}.tmp`, JSON.stringify(state));
    renameSync(`${file}.tmp`, file);
  } catch {
    return;
  }
}
