/**
 * How the ports reach the window: the preload script posts `{ type: enginePortsMessage, nonce }` with two
 * ports (control, frames) to the window's own origin; the nonce is the one `requestEnginePorts` returned.
 * In a file of its own, so that the preload script need not carry the schemas.
 */
export const enginePortsMessage = 'sluice:engine-ports';
