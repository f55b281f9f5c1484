import { SluiceError } from '../contracts';

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether a file-system call failed because nothing is there. */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** A failed write or rename in the workspace, said with a stable code and its path. Coded errors pass through. */
export function writeError(error: unknown, path: string): unknown {
  if (error instanceof SluiceError) return error;
  switch (errorCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new SluiceError(
        { code: 'DISK_FULL', message: `The disk is full: ${path} could not be written. Free some space and try again.`, where: path },
        { cause: error },
      );
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return new SluiceError(
        {
          code: 'WORKSPACE_READ_ONLY',
          message: `${path} may not be written. Choose a workspace folder that you can write to, or change its permissions.`,
          where: path,
        },
        { cause: error },
      );
    default:
      return error;
  }
}

/** A failed read of a file that its user named: missing or unreadable, with its path. Coded errors pass through. */
export function readError(error: unknown, path: string): unknown {
  if (error instanceof SluiceError) return error;
  if (isMissing(error)) {
    return new SluiceError({ code: 'FILE_NOT_FOUND', message: `${path} does not exist. Check the path.`, where: path }, { cause: error });
  }
  if (['EACCES', 'EPERM', 'EISDIR', 'EIO'].includes(errorCode(error) ?? '')) {
    const reason = errorCode(error) === 'EISDIR' ? 'is a folder, not a file' : 'cannot be read';
    return new SluiceError({ code: 'FILE_UNREADABLE', message: `${path} ${reason}. Choose another file.`, where: path }, { cause: error });
  }
  return error;
}
