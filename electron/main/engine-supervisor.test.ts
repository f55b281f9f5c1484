import { beforeEach, describe, expect, it } from 'vitest';
import type { EngineState } from '../../engine/contracts';
import type { ToHost } from '../shared/host-messages';
import { EngineSupervisor, type HostProcess, type SupervisorOptions } from './engine-supervisor';

class FakeProcess implements HostProcess<string> {
  readonly sent: { message: ToHost; ports: string[] }[] = [];
  isKilled = false;
  private message: (message: unknown) => void = () => {};
  private exit: (code: number) => void = () => {};

  constructor(readonly pid: number) {}

  post(message: ToHost, ports: string[] = []): void {
    this.sent.push({ message, ports });
  }
  onMessage(listener: (message: unknown) => void): void {
    this.message = listener;
  }
  onExit(listener: (code: number) => void): void {
    this.exit = listener;
  }
  kill(): void {
    this.isKilled = true;
  }
  says(message: unknown): void {
    this.message(message);
  }
  dies(code: number): void {
    this.exit(code);
  }
}

/** A supervisor on processes and a clock of the test's own. */
function setUp(options: Partial<SupervisorOptions<string>> = {}) {
  const processes: FakeProcess[] = [];
  const states: EngineState[] = [];
  const logged: string[] = [];
  let time = 0;
  let timers: { at: number; action: () => void }[] = [];
  const supervisor = new EngineSupervisor<string>({
    spawn: () => {
      const child = new FakeProcess(100 + processes.length);
      processes.push(child);
      return child;
    },
    startMessage: () => ({ type: 'start', workspace: '/w', samples: '/s', threads: null }),
    log: (_level, message) => void logged.push(message),
    after: (milliseconds, action) => {
      const timer = { at: time + milliseconds, action };
      timers.push(timer);
      return () => void (timers = timers.filter((each) => each !== timer));
    },
    now: () => time,
    platform: 'linux',
    handshakeLimitMs: 1000,
    shutdownLimitMs: 500,
    ...options,
  });
  supervisor.onState((state) => states.push(state));
  const pass = (milliseconds: number): void => {
    time += milliseconds;
    const due = timers.filter((timer) => timer.at <= time);
    timers = timers.filter((timer) => timer.at > time);
    for (const timer of due) timer.action();
  };
  const newest = (): FakeProcess => {
    const child = processes.at(-1);
    if (!child) throw new Error('no process was started');
    return child;
  };
  return { supervisor, processes, states, logged, pass, newest };
}

describe('engine supervisor', () => {
  let kit: ReturnType<typeof setUp>;
  beforeEach(() => {
    kit = setUp();
    kit.supervisor.start();
  });

  it('starts a host and is ready once it answers', () => {
    expect(kit.newest().sent.map((each) => each.message.type)).toEqual(['start']);
    expect(kit.supervisor.post({ type: 'ports' }, ['a'])).toBe(false);
    kit.newest().says({ type: 'ready' });
    expect(kit.supervisor.state).toEqual({ state: 'ready', pid: 100, restarts: 0 });
    expect(kit.supervisor.post({ type: 'ports' }, ['a', 'b'])).toBe(true);
    expect(kit.newest().sent.at(-1)).toEqual({ message: { type: 'ports' }, ports: ['a', 'b'] });
  });

  it('starts one host however often it is asked', () => {
    kit.supervisor.start();
    expect(kit.processes).toHaveLength(1);
  });

  it('kills a host that does not answer in time and tries again', () => {
    kit.pass(999);
    expect(kit.newest().isKilled).toBe(false);
    kit.pass(1);
    expect(kit.newest().isKilled).toBe(true);
    kit.newest().dies(9);
    expect(kit.states).toContainEqual(expect.objectContaining({ state: 'exited', reason: 'The engine did not answer within 1 seconds.' }));
    expect(kit.processes).toHaveLength(2);
  });

  it('says which signal ended the host and starts it again at once', () => {
    kit.newest().says({ type: 'ready' });
    kit.newest().dies(9);
    expect(kit.states.at(-2)).toEqual({ state: 'exited', code: null, signal: 'SIGKILL', restarting: true, reason: "The engine's process was ended by SIGKILL." });
    expect(kit.states.at(-1)).toEqual({ state: 'starting' });
    kit.newest().says({ type: 'ready' });
    expect(kit.supervisor.state).toEqual({ state: 'ready', pid: 101, restarts: 1 });
  });

  it('gives up after three restarts in a minute, and not when they lie further apart', () => {
    for (let death = 0; death < 3; death += 1) kit.newest().dies(11);
    expect(kit.processes).toHaveLength(4);
    kit.newest().dies(11);
    expect(kit.processes).toHaveLength(4);
    expect(kit.supervisor.state).toMatchObject({ state: 'exited', restarting: false, signal: 'SIGSEGV' });

    const patient = setUp();
    patient.supervisor.start();
    for (let death = 0; death < 10; death += 1) {
      patient.newest().says({ type: 'ready' });
      patient.pass(25_000);
      patient.newest().dies(11);
    }
    expect(patient.processes).toHaveLength(11);
  });

  it('starts again when its user asks, although it had given up', async () => {
    for (let death = 0; death < 4; death += 1) kit.newest().dies(1);
    await kit.supervisor.restart();
    expect(kit.processes).toHaveLength(5);
    kit.newest().says({ type: 'ready' });
    kit.newest().dies(9);
    expect(kit.processes).toHaveLength(6);
  });

  it('does not repeat a start that failed for a reason', () => {
    kit.newest().says({ type: 'failed', message: 'The workspace cannot be written.' });
    kit.newest().dies(1);
    expect(kit.processes).toHaveLength(1);
    expect(kit.supervisor.state).toMatchObject({ state: 'exited', code: 1, restarting: false, reason: 'The workspace cannot be written.' });
  });

  it('stops in order, and only kills a host that stays', async () => {
    kit.newest().says({ type: 'ready' });
    const stopped = kit.supervisor.stop();
    expect(kit.newest().sent.at(-1)?.message).toEqual({ type: 'shutdown' });
    kit.pass(499);
    expect(kit.newest().isKilled).toBe(false);
    kit.pass(1);
    expect(kit.newest().isKilled).toBe(true);
    kit.newest().dies(9);
    await stopped;
    expect(kit.processes).toHaveLength(1);
    expect(kit.supervisor.state).toMatchObject({ state: 'exited', restarting: false });
  });

  it('is not killed later when it left in time', async () => {
    kit.newest().says({ type: 'ready' });
    const stopped = kit.supervisor.stop();
    kit.newest().dies(0);
    await stopped;
    kit.pass(10_000);
    expect(kit.newest().isKilled).toBe(false);
  });

  it('stops at once where no host runs', async () => {
    const idle = setUp();
    await idle.supervisor.stop();
    expect(idle.processes).toHaveLength(0);
  });

  it('reports a message of unknown form and goes on', () => {
    kit.newest().says({ type: 'ready', extra: 1 });
    expect(kit.supervisor.state.state).toBe('starting');
    expect(kit.logged).toContain('the engine host sent a message of unknown form');
    kit.newest().says({ type: 'ready' });
    expect(kit.supervisor.state.state).toBe('ready');
  });

  it('tells where the process could not be started at all', () => {
    const broken = setUp({
      spawn: () => {
        throw new Error('no such file');
      },
    });
    broken.supervisor.start();
    expect(broken.supervisor.state).toMatchObject({ state: 'exited', restarting: false, reason: 'no such file' });
  });
});
