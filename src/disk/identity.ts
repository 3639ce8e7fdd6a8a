/**
 * The file IDENTITY: who this directory belongs to, which generation of image and log counts, and how often the member has
 * been started. Rewriting it is the one commit point of a snapshot install. Owns the file and its words; `known-boots.ts`
 * is the other half that finds older copies out. Invariants: S6, R11, S2.
 *
 * `boot` alone does not tell an older copy from the original when the copy is exactly one start behind: both raise to the
 * same number. So each start also draws a random token, and peers remember the pair.
 */
import { randomBytes } from 'node:crypto';
import type { MemberId } from '../store/entry.ts';
import { DataDirError, rejoinRemedy } from './data-dir-error.ts';
import { readIfThere, replaceFile, type StepSeam } from './durable.ts';
import { countOfText, idOfText, idText, openSealed, seal } from './sealed-text.ts';

/** Raised when the layout of the data directory changes in a way that older programs must not touch. */
export const DATA_FORMAT = 1;

/** What IDENTITY says. */
export interface Identity {
  /** Hash of token and first member list; the same on all members. */
  readonly clusterId: bigint;
  readonly memberId: MemberId;
  /** Which `gen-<g>` directory holds image and log; from 1. */
  readonly generation: number;
  /** Starts of this member; 0 before the first. */
  readonly boot: number;
  /** Drawn anew at each start; 0 before the first. */
  readonly bootToken: bigint;
}

/** Who a program expects to find, from its flags. */
export interface Expected {
  readonly clusterId: bigint;
  readonly memberId: MemberId;
}

/** The text of the file. */
export function identityText(identity: Identity): string {
  return seal('identity', DATA_FORMAT, [
    ['cluster', idText(identity.clusterId)],
    ['member', idText(identity.memberId)],
    ['generation', String(identity.generation)],
    ['boot', String(identity.boot)],
    ['token', idText(identity.bootToken)],
  ]);
}

/** What the bytes of the file say. Throws a refusal that names `path` if they cannot be believed. */
export function parseIdentity(path: string, bytes: Buffer): Identity {
  const opened = openSealed('identity', DATA_FORMAT, bytes);
  if (opened.type === 'format') {
    const text = `written in data format ${opened.format}, this program knows ${DATA_FORMAT}; start the leasehold that wrote it`;
    throw new DataDirError('format', path, text);
  }
  if (opened.type === 'damaged') throw damaged(path, opened.why);
  const values = new Map(opened.lines);
  const clusterId = idOfText(values.get('cluster'));
  const memberId = idOfText(values.get('member'));
  const generation = countOfText(values.get('generation'));
  const boot = countOfText(values.get('boot'));
  const bootToken = idOfText(values.get('token'));
  if (
    clusterId === undefined ||
    memberId === undefined ||
    memberId === 0n ||
    generation === undefined ||
    generation === 0 ||
    boot === undefined ||
    bootToken === undefined ||
    opened.lines.length !== 5
  ) {
    throw damaged(path, 'a line is missing or wrong');
  }
  return { clusterId, memberId, generation, boot, bootToken };
}

/** Reads the file. Throws a refusal that names it if it is missing or damaged. */
export async function readIdentity(path: string): Promise<Identity> {
  const bytes = await readIfThere(path);
  if (bytes === undefined) {
    throw new DataDirError(
      'missing',
      path,
      `the member's identity is gone, though its directory is there; ${rejoinRemedy}`,
    );
  }
  return parseIdentity(path, bytes);
}

/** Refuses a directory of another cluster or member (S6). */
export function assertExpected(path: string, found: Identity, expected: Expected): void {
  if (found.clusterId !== expected.clusterId) {
    const whose = `belongs to cluster ${idText(found.clusterId)}, the flags name cluster ${idText(expected.clusterId)}`;
    const text = `${whose}; check --initial-cluster and --initial-cluster-token, or use another --data-dir`;
    throw new DataDirError('foreign', path, text);
  }
  if (found.memberId !== expected.memberId) {
    const whose = `belongs to member ${idText(found.memberId)}, the flags name member ${idText(expected.memberId)}`;
    const text = `${whose}; check --name and --data-dir`;
    throw new DataDirError('foreign', path, text);
  }
}

/** Writes the file in one step; resolves when it would survive power loss. */
export async function writeIdentity(path: string, identity: Identity, seam?: StepSeam): Promise<void> {
  await replaceFile(path, identityText(identity), seam);
}

/** The identity of the next start. It counts only once it is written. */
export function nextBoot(identity: Identity): Identity {
  return { ...identity, boot: identity.boot + 1, bootToken: randomBytes(8).readBigUInt64BE() };
}

function damaged(path: string, why: string): DataDirError {
  return new DataDirError('damaged', path, `the member's identity cannot be believed (${why}); ${rejoinRemedy}`);
}
