import { describe, expect, it } from 'vitest';
import { keyLabel, keyName } from './keys';

const press = (key: string, code: string, held: Partial<Record<'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey', boolean>> = {}) => ({ key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

describe('keys', () => {
  it('are named the same whatever the layout writes', () => {
    expect(keyName(press('k', 'KeyK', { ctrlKey: true }), 'linux')).toBe('Mod+K');
    expect(keyName(press('ㅏ', 'KeyK', { ctrlKey: true }), 'linux')).toBe('Mod+K');
    expect(keyName(press('ㅏ', 'KeyK'), 'linux')).toBe('K');
    expect(keyName(press('Z', 'KeyZ', { metaKey: true, shiftKey: true }), 'darwin')).toBe('Mod+Shift+Z');
    expect(keyName(press(' ', 'Space'), 'linux')).toBe('Space');
    expect(keyName(press('[', 'BracketLeft'), 'linux')).toBe('[');
    expect(keyName(press('1', 'Digit1'), 'linux')).toBe('1');
    expect(keyName(press('ArrowLeft', 'ArrowLeft', { shiftKey: true }), 'linux')).toBe('Shift+ArrowLeft');
  });

  it('take Ctrl or Cmd after the platform', () => {
    expect(keyName(press('k', 'KeyK', { ctrlKey: true }), 'darwin')).toBe('K');
    expect(keyLabel('Mod+Shift+Z', 'linux')).toBe('Ctrl Shift Z');
    expect(keyLabel('Mod+Shift+Z', 'darwin')).toBe('⌘⇧Z');
    expect(keyLabel('Mod+Enter', 'win32')).toBe('Ctrl ↵');
  });
});
