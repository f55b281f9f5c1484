import type { ChartFile, ChartFormat } from '../../charts/save';

/** Pixels per CSS pixel of a saved PNG, as for the other charts. */
const pngRatio = 2;
const properties = ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'stroke-opacity', 'stroke-dasharray', 'opacity', 'font-family', 'font-size', 'font-weight', 'text-anchor', 'dominant-baseline'];

/** A drawn chart as SVG text that stands alone: colours and type written out, on the colour of its pane. */
export function standaloneSvg(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const sources = [svg, ...svg.querySelectorAll<SVGElement>('*')];
  const targets = [copy, ...copy.querySelectorAll<SVGElement>('*')];
  targets.forEach((target, index) => {
    const style = getComputedStyle(sources[index]!);
    for (const property of properties) target.setAttribute(property, style.getPropertyValue(property));
    for (const name of [...target.getAttributeNames()]) if (name === 'class' || name.startsWith('data-') || name.startsWith('aria-') || name === 'tabindex') target.removeAttribute(name);
  });
  for (const overlay of copy.querySelectorAll('[role="slider"], .unsaved')) overlay.remove();
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.setAttribute('width', String(Math.round(width)));
  copy.setAttribute('height', String(Math.round(height)));
  copy.setAttribute('viewBox', `0 0 ${Math.round(width)} ${Math.round(height)}`);
  const background = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  background.setAttribute('width', '100%');
  background.setAttribute('height', '100%');
  background.setAttribute('fill', getComputedStyle(document.documentElement).getPropertyValue('--surface-pane'));
  copy.prepend(background);
  return new XMLSerializer().serializeToString(copy);
}

export async function saveSvgChart(svg: SVGSVGElement, name: string, csv: string, format: ChartFormat): Promise<ChartFile> {
  const suggestedName = `${name}.${format}`;
  if (format === 'csv') return { suggestedName, data: csv };
  const text = standaloneSvg(svg);
  if (format === 'svg') return { suggestedName, data: text };
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.width * pngRatio;
  canvas.height = image.height * pngRatio;
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) throw new Error('The picture could not be written as PNG');
  return { suggestedName, data: new Uint8Array(await blob.arrayBuffer()) };
}
