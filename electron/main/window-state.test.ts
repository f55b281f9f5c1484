import { expect, it } from 'vitest';
import { placeWindow } from './window-state';

const screen = { x: 0, y: 0, width: 1920, height: 1080 };

it('opens where it was', () => {
  expect(placeWindow({ x: 100, y: 50, width: 1200, height: 800, isMaximized: false }, [screen])).toEqual({ x: 100, y: 50, width: 1200, height: 800 });
});

it('comes back from a display that is gone', () => {
  expect(placeWindow({ x: 2500, y: 50, width: 1200, height: 800, isMaximized: false }, [screen])).toEqual({ width: 1440, height: 900 });
});

it('does not open with its title bar above the display', () => {
  expect(placeWindow({ x: 10, y: -200, width: 1200, height: 800, isMaximized: false }, [screen])).toEqual({ width: 1440, height: 900 });
});

it('fits a small display and keeps its smallest size', () => {
  expect(placeWindow(null, [{ x: 0, y: 0, width: 1280, height: 720 }])).toEqual({ width: 1280, height: 720 });
  expect(placeWindow(null, [{ x: 0, y: 0, width: 800, height: 600 }])).toEqual({ width: 960, height: 640 });
});
