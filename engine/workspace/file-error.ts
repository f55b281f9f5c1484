import { SluiceError } from '../contracts';

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether a file-system call failed because nothing is there. */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** What the system's word for a failure means, for a path that its user gave. */
const reasons: Record<string, string> = {
  EISDIR: 'is a folder, not a file',
  ENOTEMPTY: 'is a folder, not a file',
  ENOTDIR: 'leads through a file as if it were a folder',
  ENOENT: 'is in a folder that does not exist',
  ENAMETOOLONG: 'is a name too long for this system',
  ELOOP: 'is a link that leads back to itself',
  EEXIST: 'is there already',
  EINVAL: 'is a name that this system does not take',
  ETXTBSY: 'is in use',
  EBUSY: 'is in use',
  EMFILE: 'cannot be opened: too many files are open',
  ENFILE: 'cannot be opened: too many files are open',
  ENXIO: 'is no plain file',
  ESPIPE: 'is no plain file',
  EIO: 'cannot be read or written: the device reports a fault',
};

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
      return new SluiceError({ code: 'INPUT_INVALID', message: `${path} ${reasons[code]}. Choose another file to write.`, where: path }, { cause: error });
  }
}

/** A failed read of a file that its user named: missing or unreadable, with its path. Coded errors pass through. */
export function readError(error: unknown, path: string): unknown {
  if (error instanceof SluiceError) return error;
  if (isMissing(error)) {
    return new SluiceError({ code: 'FILE_NOT_FOUND', message: `${path} does not exist. Check the path.`, where: path }, { cause: error });
  }
  const code = errorCode(error) ?? '';
  const reason = code === 'EACCES' || code === 'EPERM' ? 'cannot be read' : reasons[code];
  if (reason === undefined) return error;
  return new SluiceError({ code: 'FILE_UNREADABLE', message: `${path} ${reason}. Choose another file.`, where: path }, { cause: error });
}
