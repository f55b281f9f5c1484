import { SluiceError, systemReasons as reasons } from '../contracts';

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether a file-system call failed because nothing is there. */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Of these the system's state is the cause, not the path that was given. */
const failures = new Set(['EMFILE', 'ENFILE', 'EBUSY', 'ETXTBSY', 'EIO']);

/** A failed write or rename, said with a stable code and its path. Coded errors pass through. */
export function writeError(error: unknown, path: string): unknown {
  if (error instanceof SluiceError) return error;
  const code = errorCode(error) ?? '';
  switch (code) {
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
      if (reasons[code] === undefined) return error;
      return new SluiceError({ code: failures.has(code) ? 'FILE_UNREADABLE' : 'INPUT_INVALID', message: `${path} cannot be written: ${reasons[code]}. Choose another name or folder.`, where: path }, { cause: error });
  }
}

/** A failed read of a file that its user named: missing or unreadable, with its path. Coded errors pass through. */
export function readError(error: unknown, path: string): unknown {
  if (error instanceof SluiceError) return error;
  if (isMissing(error)) {
    return new SluiceError({ code: 'FILE_NOT_FOUND', message: `${path} does not exist. Check the path.`, where: path }, { cause: error });
  }
  const code = errorCode(error) ?? '';
  const reason = code === 'EACCES' || code === 'EPERM' ? 'you may not read it' : reasons[code];
  if (reason !== undefined) return new SluiceError({ code: 'FILE_UNREADABLE', message: `${path} cannot be read: ${reason}. Choose another file.`, where: path }, { cause: error });
  return error;
}
