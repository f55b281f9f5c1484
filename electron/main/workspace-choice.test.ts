import { expect, it } from 'vitest';
import { chooseWorkspace, workspaceArgument, workspaceKey } from './workspace-choice';

const none = { argument: undefined, setting: null, environment: undefined, home: '/home/a', from: '/here' };

it('prefers the argument, then the setting, then the environment, then the home folder', () => {
  expect(chooseWorkspace({ ...none, argument: 'x', setting: '/s', environment: '/e' })).toBe('/here/x');
  expect(chooseWorkspace({ ...none, setting: '/s', environment: '/e' })).toBe('/s');
  expect(chooseWorkspace({ ...none, environment: '/e' })).toBe('/e');
  expect(chooseWorkspace(none)).toBe('/home/a/Sluice');
});

it('treats an empty variable as none', () => {
  expect(chooseWorkspace({ ...none, environment: '' })).toBe('/home/a/Sluice');
});

it('finds the argument in both forms', () => {
  expect(workspaceArgument(['electron', '.', '--workspace', '/w'])).toBe('/w');
  expect(workspaceArgument(['electron', '--workspace=/w w', '.'])).toBe('/w w');
  expect(workspaceArgument(['electron', '.'])).toBeUndefined();
});

it('keys differ between workspaces', () => {
  expect(workspaceKey('/a')).not.toBe(workspaceKey('/b'));
});
