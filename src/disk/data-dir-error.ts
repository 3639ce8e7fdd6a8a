/**
 * The one error that the data directory raises when a member must not start, or must not go on: a single line that names
 * the file and the remedy. Owns no rule; whoever finds the trouble decides. Invariants: S2, S6, R13 end in one of these.
 */

/** What kind of trouble it is; for exit codes and tests, never parsed out of the text. */
export type DataDirTrouble =
  /** Another process holds the directory. */
  | 'locked'
  /** A file cannot be believed. */
  | 'damaged'
  /** A file or directory that must be there is not. */
  | 'missing'
  /** It belongs to another member or another cluster. */
  | 'foreign'
  /** Written by a format this program does not know. */
  | 'format'
  /** The file system said no: permissions, no such device, a file where a directory should be. */
  | 'fileSystem';

/** A refusal to use the data directory. `message` is one line for the operator: what, which file, what to do. */
export class DataDirError extends Error {
  override readonly name = 'DataDirError';
  readonly trouble: DataDirTrouble;
  /** The file or directory the trouble is about. */
  readonly path: string;

  constructor(trouble: DataDirTrouble, path: string, text: string, cause?: unknown) {
    super(`${path}: ${text}`, cause === undefined ? undefined : { cause });
    this.trouble = trouble;
    this.path = path;
  }
}

/** The remedy for a member whose own durable promises can no longer be believed (R13): it must not come back as itself. */
export const rejoinRemedy = [
  'restore it from a copy made while the member was stopped,',
  'or remove this member from the cluster and add it back under a new id with an empty data directory',
].join(' ');

/** Wraps what the file system answered, so that its errors reach the operator with a path, a remedy and no stack. */
export function fileSystemError(path: string, doing: string, cause: unknown): DataDirError {
  if (cause instanceof DataDirError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return new DataDirError('fileSystem', path, `cannot ${doing} (${code}); ${remedyFor(code)}`, cause);
}

/** Whether an error is the file system's own answer to a call. */
export function isFileSystemAnswer(error: unknown): boolean {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

function remedyFor(code: string): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'free some space on its disk';
    case 'EMFILE':
    case 'ENFILE':
      return 'raise the limit of open files (ulimit -n)';
    case 'EROFS':
      return 'its file system is mounted read-only';
    case 'EIO':
      return 'its disk fails: look at the kernel log';
    default:
      return 'check that it exists and is ours to write';
  }
}
