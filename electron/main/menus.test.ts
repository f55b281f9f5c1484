import type { MenuItemConstructorOptions } from 'electron';
import { expect, it } from 'vitest';
import { languageOf, menuTexts } from './menu-texts';
import { menuCommands, menuTemplate } from './menus';

function items(template: MenuItemConstructorOptions[]): MenuItemConstructorOptions[] {
  return template.flatMap((item) => [item, ...(Array.isArray(item.submenu) ? items(item.submenu) : [])]);
}

it.each(['darwin', 'linux', 'win32'])('offers every command once on %s', (platform) => {
  const sent: string[] = [];
  for (const item of items(menuTemplate(menuTexts.en, platform, (command) => sent.push(command)))) {
    (item.click as (() => void) | undefined)?.();
  }
  expect(sent.sort()).toEqual([...menuCommands].sort());
});

it('has every word in both languages', () => {
  for (const [key, text] of Object.entries(menuTexts.ko)) {
    expect(text, key).not.toBe('');
    expect(text, key).toMatch(/[가-힣]/);
  }
});

it('takes the system language where it is one of ours', () => {
  expect(languageOf('system', 'ko-KR')).toBe('ko');
  expect(languageOf('system', 'de-DE')).toBe('en');
  expect(languageOf('system', 'kok-IN')).toBe('en');
  expect(languageOf('en', 'ko')).toBe('en');
});
