import { describe, expect, it } from 'vitest';
import { bundleFile, contentSecurityPolicy, isInside, isOwnPage } from './security';

describe('content security policy', () => {
  it('allows no inline or evaluated script and no foreign address', () => {
    const policy = contentSecurityPolicy();
    const rule = (name: string): string | undefined => policy.split('; ').find((each) => each.startsWith(`${name} `));
    expect(rule('default-src')).toBe("default-src 'none'");
    expect(rule('script-src')).toBe("script-src 'self'");
    expect(rule('style-src-elem')).toBe("style-src-elem 'self'");
    expect(policy).not.toMatch(/unsafe-eval|\*|https?:|ws:/);
  });

  it('opens to the development server only when there is one', () => {
    expect(contentSecurityPolicy('http://localhost:5173')).toContain('ws://localhost:5173');
  });
});

describe('files of the own scheme', () => {
  it('maps an address to a file of the bundle', () => {
    expect(bundleFile('sluice://app/assets/a%20b.js?v=1', '/out')).toEqual({ path: '/out/assets/a b.js', type: 'text/javascript; charset=utf-8' });
  });

  it('keeps dots that the address itself resolves inside the folder', () => {
    expect(bundleFile('sluice://app/%2e%2e/%2e%2e/secret.json', '/out')?.path).toBe('/out/secret.json');
  });

  it.each([
    'sluice://app/',
    'sluice://other/index.html',
    'https://app/index.html',
    'sluice://app/..%2f..%2fetc%2fpasswd.txt',
    'sluice://app/a%00.js',
    'sluice://app/%E0%A4%A.js',
    'sluice://app/program.exe',
    'sluice://app/noextension',
    'nonsense',
  ])('refuses %s', (address) => {
    expect(bundleFile(address, '/out')).toBeNull();
  });
});

it('knows its own pages', () => {
  expect(isOwnPage('sluice://app/index.html')).toBe(true);
  expect(isOwnPage('sluice://app.evil/index.html')).toBe(false);
  expect(isOwnPage('http://localhost:5173/')).toBe(false);
  expect(isOwnPage('http://localhost:5173/', 'http://localhost:5173')).toBe(true);
  expect(isOwnPage('http://localhost:51730/', 'http://localhost:5173')).toBe(false);
});

it('knows what lies inside a folder', () => {
  expect(isInside('/w/runs/a', '/w')).toBe(true);
  expect(isInside('/w', '/w')).toBe(true);
  expect(isInside('/w2', '/w')).toBe(false);
  expect(isInside('/etc', '/w')).toBe(false);
  expect(isInside('/w/..a', '/w')).toBe(true);
});
