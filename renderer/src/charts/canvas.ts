/** Sizes a canvas for sharp drawing and returns its context scaled to CSS pixels, cleared. */
export function prepareCanvas(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  const pixelWidth = Math.max(1, Math.round(width * ratio));
  const pixelHeight = Math.max(1, Math.round(height * ratio));
  const context = canvas.getContext('2d')!;
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  } else {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, pixelWidth, pixelHeight);
  }
  context.setTransform(pixelWidth / width, 0, 0, pixelHeight / height, 0, 0);
  return context;
}

const hatches = new Map<string, HTMLCanvasElement>();

/** 45° hatch of 6 × 6 px for values that are missing or not finite. */
export function hatchPattern(context: CanvasRenderingContext2D, color: string): CanvasPattern {
  let tile = hatches.get(color);
  if (!tile) {
    tile = document.createElement('canvas');
    tile.width = 6;
    tile.height = 6;
    const pen = tile.getContext('2d')!;
    pen.strokeStyle = color;
    pen.lineWidth = 1.6;
    for (const shift of [-6, 0, 6]) {
      pen.moveTo(shift - 1, 7);
      pen.lineTo(shift + 7, -1);
    }
    pen.stroke();
    hatches.set(color, tile);
  }
  return context.createPattern(tile, 'repeat')!;
}
