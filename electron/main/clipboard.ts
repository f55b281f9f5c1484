import * as electron from 'electron';

/** Puts a PNG on the system's clipboard. Electron has `ClipboardItem` since it made its clipboard asynchronous; before, an image object. */
export async function copyPicture(png: Uint8Array<ArrayBuffer>): Promise<void> {
  const { ClipboardItem } = electron as Partial<Pick<typeof electron, 'ClipboardItem'>>;
  if (ClipboardItem) {
    await electron.clipboard.write([new ClipboardItem({ 'image/png': new Blob([png], { type: 'image/png' }) })]);
    return;
  }
  const older = electron.clipboard as unknown as { writeImage(image: electron.NativeImage): void };
  older.writeImage(electron.nativeImage.createFromBuffer(Buffer.from(png)));
}
