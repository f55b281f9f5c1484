import { describe, expect, it } from 'vitest';
import { missingPixel, openColors, openPixels, signedColors, signedPixels } from './colors';
import { bandSize, paintPlate, plateLayout, plateRows, stepMean, windowStart } from './plate';

const rows = (...units: number[]) => units.map((unit) => [unit]);

describe('paintPlate', () => {
  it('draws a gate from shut to open with the ends of the openness map, one pixel per cell', () => {
    const image = paintPlate({ values: Float32Array.of(0, 1, 0.5, 0.25), time: 2, units: 2, rows: rows(0, 1), scale: 'openness' });
    expect([image.width, image.height]).toEqual([2, 2]);
    expect([...image.pixels]).toEqual([openPixels[0], openPixels[128], openPixels[255], openPixels[64]]);
  });

  it('stores pixels as red, green, blue, alpha bytes', () => {
    const image = paintPlate({ values: Float32Array.of(1), time: 1, units: 1, rows: rows(0), scale: 'openness' });
    const bytes = new Uint8Array(image.pixels.buffer);
    const hex = openColors[255]!;
    expect([...bytes]).toEqual([1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).concat(255));
  });

  it('puts zero of a signed value in the middle and a cell state through tanh', () => {
    const signed = paintPlate({ values: Float32Array.of(-1, 0, 1), time: 3, units: 1, rows: rows(0), scale: 'signed' });
    expect([...signed.pixels]).toEqual([signedPixels[0], signedPixels[128], signedPixels[255]]);
    const state = paintPlate({ values: Float32Array.of(0.5, 40), time: 2, units: 1, rows: rows(0), scale: 'tanh' });
    expect([...state.pixels]).toEqual([signedPixels[Math.round((Math.tanh(0.5) / 2 + 0.5) * 255)], signedPixels[255]]);
    expect(signedColors).toHaveLength(256);
  });

  it('follows the given order of units', () => {
    const image = paintPlate({ values: Float32Array.of(0, 0.5, 1), time: 1, units: 3, rows: rows(2, 0, 1), scale: 'openness' });
    expect([...image.pixels]).toEqual([openPixels[255], openPixels[0], openPixels[128]]);
  });

  it('lists non-finite values instead of colouring them, and counts those of units that are not drawn', () => {
    const values = Float32Array.of(0.5, NaN, Infinity, 0.5, -Infinity, 0.5);
    const image = paintPlate({ values, time: 3, units: 2, rows: rows(0), scale: 'openness' });
    expect(image.badCells).toEqual([1, 2]);
    expect(image.badValues).toBe(3);
    expect(image.pixels[1]).toBe(missingPixel);
    expect(image.pixels[0]).toBe(openPixels[128]);
  });

  it('shows steps without a recording as missing, not as a value', () => {
    const image = paintPlate({ values: Float32Array.of(1, 1), time: 3, units: 1, rows: rows(0), scale: 'openness' });
    expect([...image.pixels]).toEqual([openPixels[255], openPixels[255], missingPixel]);
    expect(image.badCells).toEqual([]);
  });

  it('reuses a buffer that fits', () => {
    const first = paintPlate({ values: Float32Array.of(0, 1), time: 2, units: 1, rows: rows(0), scale: 'openness' });
    const second = paintPlate({ values: Float32Array.of(1, 0), time: 2, units: 1, rows: rows(0), scale: 'openness' }, first.pixels);
    expect(second.pixels).toBe(first.pixels);
    expect([...second.pixels]).toEqual([openPixels[255], openPixels[0]]);
  });

  it('draws a band as the mean of its units', () => {
    const image = paintPlate({ values: Float32Array.of(0, 1), time: 1, units: 2, rows: [[0, 1]], scale: 'openness' });
    expect(image.pixels[0]).toBe(openPixels[128]);
  });
});

describe('rows and windows', () => {
  it('gives every unit a row up to 512 and at most 64 bands above', () => {
    expect(plateRows(Uint32Array.from({ length: 512 }, (_, i) => i), null)).toHaveLength(512);
    const bands = plateRows(Uint32Array.from({ length: 1000 }, (_, i) => i), null);
    expect(bands).toHaveLength(Math.ceil(1000 / bandSize(1000)));
    expect(bands.length).toBeLessThanOrEqual(64);
    expect(bands.flat()).toHaveLength(1000);
    expect(plateRows(Uint32Array.from({ length: 1000 }, (_, i) => i), 1).map((row) => row[0])).toEqual([...bands[1]!]);
  });

  it('moves a window just far enough to show the chosen unit', () => {
    expect(windowStart(0, 20, 96, 5)).toBe(0);
    expect(windowStart(0, 20, 96, 25)).toBe(6);
    expect(windowStart(50, 20, 96, 25)).toBe(25);
    expect(windowStart(90, 20, 96, 95)).toBe(76);
    expect(windowStart(3, 20, 8, 2)).toBe(0);
  });

  it('keeps cells on whole pixels and shows fewer columns where they do not fit', () => {
    expect(plateLayout({ width: 967, height: 64 }, 120, 96, 8, 3)).toEqual({ columnWidth: 8, columns: 120, rowHeight: 3, rows: 21 });
    expect(plateLayout({ width: 700, height: 64 }, 120, 96, 8, 3)).toMatchObject({ columnWidth: 8, columns: 87 });
    expect(plateLayout({ width: 960, height: 64 }, 336, 16, 1, 4)).toMatchObject({ columnWidth: 2, columns: 336, rows: 16 });
    expect(plateLayout({ width: 960, height: 64 }, 12, 16, 1, 4)).toMatchObject({ columnWidth: 24, columns: 12 });
  });

  it('averages over all units on the drawn scale', () => {
    expect(stepMean(Float32Array.of(0, 1, 1, 1), 2, 0, 'openness')).toBeCloseTo(0.5);
    expect(stepMean(Float32Array.of(2, -2), 2, 0, 'tanh')).toBeCloseTo(0);
    expect(stepMean(Float32Array.of(1), 2, 0, 'signed')).toBeNaN();
  });
});
