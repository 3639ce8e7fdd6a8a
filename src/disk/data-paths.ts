/**
 * The layout of a data directory:
 *
 *     <root>/LOCK/               one process at a time (lock.ts)
 *     <root>/member.new/         a member being made; not there otherwise
 *     <root>/member/IDENTITY     whose it is, which generation counts, how often it was started
 *     <root>/member/PEERS        the starts of other members
 *     <root>/member/DISOWNED     only if other members saw that this is an older copy: it never starts again
 *     <root>/member/gen-<g>/log/, image/     the two disks of generation g; any other generation is a leftover
 *
 * Owns the names, nothing on disk.
 */
import { join } from 'node:path';

export interface GenerationPaths {
  readonly directory: string;
  readonly log: string;
  readonly image: string;
}

export interface DataPaths {
  readonly root: string;
  readonly lock: string;
  /** Where a member's directory is built before it gets its name. */
  readonly memberNew: string;
  readonly member: string;
}

export interface MemberPaths {
  readonly directory: string;
  readonly identity: string;
  readonly peers: string;
  readonly disowned: string;
}

/** The top of a data directory. */
export function dataPaths(root: string): DataPaths {
  return { root, lock: join(root, 'LOCK'), memberNew: join(root, 'member.new'), member: join(root, 'member') };
}

/** A member's files, in `member` or in `member.new`. */
export function memberPaths(directory: string): MemberPaths {
  return {
    directory,
    identity: join(directory, 'IDENTITY'),
    peers: join(directory, 'PEERS'),
    disowned: join(directory, 'DISOWNED'),
  };
}

/** The two disks of one generation. */
export function generationPaths(member: string, generation: number): GenerationPaths {
  const directory = join(member, `gen-${generation}`);
  return { directory, log: join(directory, 'log'), image: join(directory, 'image') };
}

/** The generation a directory entry of `member` is, or undefined if it is none. */
export function generationOfName(name: string): number | undefined {
  const match = /^gen-([1-9]\d{0,14})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}
