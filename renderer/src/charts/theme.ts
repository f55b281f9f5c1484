import { shallowRef, type ShallowRef } from 'vue';
import type { Theme } from './colors';

/** Tokens of the current theme as plain values, for canvases, exported SVG and ECharts, which know no CSS variables. */
export interface ChartTheme {
  name: Theme;
  text: string;
  text2: string;
  text3: string;
  textDisabled: string;
  grid: string;
  axis: string;
  pane: string;
  fill: string;
  accent: string;
  accentText: string;
  accentSoft: string;
  warn: string;
  warnText: string;
  bad: string;
  brush: string;
  plate: string;
  plateEdge: string;
  cursor: string;
  mono: string;
  ui: string;
  /** False where the user or the system turned motion off. */
  motion: boolean;
}

let current: ShallowRef<ChartTheme> | null = null;

/** The theme in effect; changes with `data-theme`, `data-motion`, `lang` and the system's settings. */
export function useChartTheme(): ShallowRef<ChartTheme> {
  if (current) return current;
  const theme = shallowRef(readTheme());
  const update = () => {
    theme.value = readTheme();
  };
  new MutationObserver(update).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'data-motion', 'lang'] });
  for (const query of ['(prefers-color-scheme: dark)', '(prefers-reduced-motion: reduce)']) matchMedia(query).addEventListener('change', update);
  current = theme;
  return theme;
}

/** Font names in single quotes: they end up inside attributes of exported SVG, which double quotes enclose. */
function fontList(fonts: string): string {
  return fonts.replaceAll('"', "'");
}

function readTheme(): ChartTheme {
  const root = document.documentElement;
  const style = getComputedStyle(root);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const chosen = root.dataset['theme'];
  return {
    name: chosen === 'dark' || chosen === 'light' ? chosen : matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
    text: token('--text'),
    text2: token('--text-2'),
    text3: token('--text-3'),
    textDisabled: token('--text-disabled'),
    grid: token('--grid'),
    axis: token('--border'),
    pane: token('--surface-pane'),
    fill: token('--fill'),
    accent: token('--accent'),
    accentText: token('--accent-text'),
    accentSoft: token('--accent-soft'),
    warn: token('--warn'),
    warnText: token('--warn-text'),
    bad: token('--bad'),
    brush: token('--brush'),
    plate: token('--plate'),
    plateEdge: token('--plate-edge'),
    cursor: token('--cursor'),
    mono: fontList(token('--font-mono')),
    ui: fontList(root.lang === 'ko' ? token('--font-ko') : token('--font-ui')),
    motion: root.dataset['motion'] !== 'off' && !matchMedia('(prefers-reduced-motion: reduce)').matches,
  };
}
