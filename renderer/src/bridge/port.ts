/** The part of a `MessagePort` the window uses, so that tests can hand in a pair of plain objects. */
export interface Port {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
  start?(): void;
  close(): void;
}
