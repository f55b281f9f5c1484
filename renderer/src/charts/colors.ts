import colormaps from './colormaps.json';

/** How a signal is drawn: a gate in [0, 1], a signed value in [−1, 1], or tanh of a state without bounds. */
export type SignalScale = 'openness' | 'signed' | 'tanh';
export type Theme = 'light' | 'dark';

/** 256 entries as `0xAABBGGRR`, the order of a little-endian `Uint32Array` over canvas pixels. */
export type PixelMap = Uint32Array;

function hexToPixel(hex: string): number {
  const rgb = Number.parseInt(hex.slice(1), 16);
  return (0xff000000 | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

export const openColors: readonly string[] = colormaps.open;
export const signedColors: readonly string[] = colormaps.signed;
export const openPixels: PixelMap = Uint32Array.from(openColors, hexToPixel);
export const signedPixels: PixelMap = Uint32Array.from(signedColors, hexToPixel);

/** `--map-missing`; the same in both themes, like the maps. */
export const missingColor = '#6b6f72';
export const missingPixel = hexToPixel(missingColor);
/** The bed of every plate (`--plate`, dark). */
export const plateColor = '#0b1216';

/** Entry of the map for a finite value; values outside the map's range take its end. */
export function mapIndex(value: number, scale: SignalScale): number {
  const share = scale === 'openness' ? value : (scale === 'tanh' ? Math.tanh(value) : value) * 0.5 + 0.5;
  return share <= 0 ? 0 : share >= 1 ? 255 : Math.round(share * 255);
}

export function mapColor(value: number, scale: SignalScale): string {
  const colors = scale === 'openness' ? openColors : signedColors;
  return colors[mapIndex(value, scale)]!;
}

const gateColors: Record<Theme, Record<string, string>> = colormaps.gates;
const runColors: Record<Theme, readonly string[]> = colormaps.runs;

/** Accent of a gate or state; names without one share the hidden state's. */
export function gateColor(name: string, theme: Theme): string {
  return gateColors[theme][name] ?? gateColors[theme]['h']!;
}

export const runPaletteSize = runColors.light.length;

/** Colour of run number `index` (from 0); the palette repeats. */
export function runColor(index: number, theme: Theme): string {
  const palette = runColors[theme];
  return palette[index % palette.length]!;
}
