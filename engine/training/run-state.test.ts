import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runState, type RunState } from '../contracts';
import { isActive, nextState, observedState, requireTransition, type RunTransition } from './run-state';

const transitions: RunTransition[] = ['begin', 'pause', 'resume', 'finish', 'stop', 'fail', 'interrupt', 'continue'];

describe('states of a run', () => {
  it('only continue leaves a state in which nothing works on the run', () => {
    for (const state of runState.options.filter((one) => !isActive(one))) {
      for (const transition of transitions) {
        if (nextState(state, transition) !== null) expect(transition).toBe('continue');
      }
    }
  });

  it('never leaves finished', () => {
    for (const transition of transitions) expect(nextState('finished', transition)).toBeNull();
  });

  it('whatever happens, an active run can be brought to an end and gone on with unless it finished', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...transitions), { maxLength: 40 }), (happenings) => {
        let state: RunState = 'queued';
        for (const happening of happenings) state = nextState(state, happening) ?? state;
        if (isActive(state)) {
          for (const ending of ['stop', 'fail', 'interrupt'] as const) {
            const ended = nextState(state, ending);
            expect(ended).not.toBeNull();
            expect(nextState(ended ?? 'queued', 'continue')).toBe('queued');
          }
        } else if (state !== 'finished') {
          expect(nextState(state, 'continue')).toBe('queued');
        }
      }),
    );
  });

  it('a run can be paused only while it runs and resumed only while it is paused', () => {
    for (const state of runState.options) {
      expect(nextState(state, 'pause') !== null).toBe(state === 'running');
      expect(nextState(state, 'resume') !== null).toBe(state === 'paused');
    }
  });

  it('a dead owner reads as interrupted, an ended run stays what it is', () => {
    for (const state of runState.options) {
      expect(observedState(state, true)).toBe(state);
      expect(observedState(state, false)).toBe(isActive(state) ? 'interrupted' : state);
    }
  });

  it('says why it refuses', () => {
    expect(() => requireTransition('a', 'finished', 'continue')).toThrow(/has finished/);
    expect(() => requireTransition('a', 'running', 'continue')).toThrow(/being trained/);
    expect(() => requireTransition('a', 'stopped', 'pause')).toThrow(/it is stopped/);
  });
});
