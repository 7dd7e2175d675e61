import { RuntimeError } from '../core/errors.js';

const plainWords: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  SQLITE_FULL: 'the disk is full',
  EDQUOT: "the user's disk quota is used up",
  EFBIG: 'the file is larger than this process may write',
  EROFS: 'the file system is read-only',
  SQLITE_READONLY: 'the database is read-only',
  EMFILE: 'too many files are open in this process',
  ENFILE: 'too many files are open on this machine',
  EACCES: 'the permission is missing',
  EPERM: 'the permission is missing',
  EIO: 'the disk reports an error',
  SQLITE_IOERR: 'the disk reports an error',
  SQLITE_CORRUPT: 'the database is damaged',
};

/** What the file system or SQLite said, as an error that names the cause in plain words. */
export function storageFailed(doing: string, error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const code = String((error as { code?: unknown } | null)?.code ?? '');
  const why = plainWords[code] ?? (error instanceof Error ? error.message : String(error));
  return new RuntimeError('STORAGE_FAILED', `${doing} failed: ${why}.`, {
    hint: 'Free space or fix the permissions of the content directory (TOOL_OFFLOADED_DATA_PATH), then try again.',
    data: code === '' ? {} : { code },
    cause: error,
  });
}

export function damaged(id: string, why: string): RuntimeError {
  return new RuntimeError('STORAGE_FAILED', `The content ${id} is damaged: ${why}.`, {
    hint: 'Call the tool again to get the content anew.',
    retryable: false,
    data: { ref_id: id },
  });
}
