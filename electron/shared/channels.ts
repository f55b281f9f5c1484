/** Names of the channels between the preload script and the main process. */
export const channels = {
  /** Window asks, shell answers `ShellReply`. */
  call: 'sluice:call',
  /** Window asks for the engine's ports, with the nonce they shall carry. */
  requestPorts: 'sluice:request-ports',
  /** Shell hands two ports over, with the nonce. */
  ports: 'sluice:ports',
  engineState: 'sluice:engine-state',
  command: 'sluice:command',
} as const;
