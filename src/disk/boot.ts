/**
 * From a locked data directory to a member that may run, in the order of house §4: identity, boot, image, log. Owns that order
 * and every decision between repair and refusal at start: a lost *image* is rebuilt (from a log that begins at 1, else from
 * peers), a damaged *log* or identity is refused, by file. Invariants: S2, S3, S6, R13, R11.
 */
import { randomInt } from 'node:crypto';
import { decodeMembership } from '../raft/membership.ts';
import type { Configuration } from '../raft/types.ts';
import { Machine } from '../state/machine.ts';
import type { Entry, HardState, Index, LogBase } from '../store/entry.ts';
import type { LoadedLog } from '../store/wal.ts';
import { removeOtherGenerations } from './data-dir.ts';
import { DataDirError, fileSystemError, isFileSystemAnswer, rejoinRemedy } from './data-dir-error.ts';
import { type DataPaths, generationPaths, memberPaths } from './data-paths.ts';
import { isThere, noSeam, type StepSeam } from './durable.ts';
import { fsLogDisk } from './fs-log-disk.ts';
import { assertExpected, type Expected, type Identity, nextBoot, readIdentity, writeIdentity } from './identity.ts';
import { type FoundImage, readImage, replaceLostImage } from './image-directory.ts';
import { KnownBoots } from './known-boots.ts';
import type { LogDisk } from './log-disk.ts';
import { MemberDisks } from './member-disks.ts';

export interface BootOptions {
  /** Who the flags say this is. */
  readonly expected: Expected;
  readonly logs?: LogDisk;
  /** Lines for the operator: what was found damaged and how it is repaired. */
  readonly notice?: (line: string) => void;
  /** Named steps of a snapshot install, for tests that stop the world there. */
  readonly seam?: StepSeam;
}

/** A member as its disks hold it. */
export interface Booted {
  /** With this start's boot and token, which are on disk. */
  readonly identity: Identity;
  readonly hardState: HardState;
  readonly base: LogBase;
  readonly entries: readonly Entry[];
  /** At the image's applied index; empty if the image is new or lost. */
  readonly machine: Machine;
  /** In force at the machine's applied index; undefined while it has applied none. */
  readonly configuration: Configuration | undefined;
  /** The image is lost and the log does not begin at 1: only a snapshot from a peer brings this member back. */
  readonly needsSnapshot: boolean;
  readonly knownBoots: KnownBoots;
  readonly disks: MemberDisks;
}

/** Opens the member in a directory that `lockDataDir` has locked. Throws a `DataDirError` if it must not run. */
export async function bootMember(paths: DataPaths, options: BootOptions): Promise<Booted> {
  try {
    return await openMember(paths, options);
  } catch (error) {
    throw isFileSystemAnswer(error) ? fileSystemError(paths.member, 'open the member', error) : error;
  }
}

async function openMember(paths: DataPaths, options: BootOptions): Promise<Booted> {
  const notice = options.notice ?? (() => undefined);
  const logs = options.logs ?? fsLogDisk();
  const seam = options.seam ?? noSeam;
  const files = memberPaths(paths.member);

  // 1. Who are we? The boot is raised before anything could be said under it.
  if (await isThere(files.disowned)) {
    throw new DataDirError('damaged', files.disowned, `other members knew a newer start of this one; ${rejoinRemedy}`);
  }
  const before = await readIdentity(files.identity);
  assertExpected(files.identity, before, options.expected);
  const identity = nextBoot(before);
  await writeIdentity(files.identity, identity);
  const knownBoots = await KnownBoots.open(files.peers);

  // 2. How far does the image reach, if it can be believed? It only shows that the log held that much: nothing is changed yet.
  const generation = generationPaths(paths.member, identity.generation);
  if (!(await isThere(generation.log))) {
    throw new DataDirError('missing', generation.log, `the log is gone; ${rejoinRemedy}`);
  }
  let found = await readImage(generation.image, identity);

  // 3. The log, which must reach at least as far. A refusal here leaves everything as it is.
  const atLeast = found.type === 'good' ? found.machine.appliedIndex : 0;
  const log = await logs.open(generation.log, identity, atLeast).catch(async (error: unknown) => {
    if (found.type === 'good') await found.image.close();
    throw error;
  });
  for (const line of log.notices) notice(line);
  // Not before: an IDENTITY brought back from before an install would have the generation that counts taken for a leftover.
  for (const path of await removeOtherGenerations(paths.member, identity.generation)) {
    notice(`${path}: removed, left over from an install of a snapshot`);
  }
  const { hardState, base, entries } = log.loaded;

  // 4. The image must also join the log. Only now is a lost one put out of the way.
  found = await joinedTo(found, log.loaded);
  if (found.type === 'good') {
    const { image, machine } = found;
    const disks = new MemberDisks({ paths, identity, wal: log.wal, image, logs, notice, seam });
    return booted(identity, log.loaded, machine, false, knownBoots, disks);
  }
  const image = await replaceLostImage(generation.image, identity);
  const needsSnapshot = base.index > 0;
  const from = needsSnapshot ? 'from another member' : `from the log (${entries.length} entries)`;
  notice(`${generation.image}: the image is lost (${found.why}); it is rebuilt ${from}`);
  const disks = new MemberDisks({ paths, identity, wal: log.wal, image, logs, notice, seam });
  return booted(
    identity,
    { hardState, base, entries },
    new Machine(randomInt(2 ** 32)),
    needsSnapshot,
    knownBoots,
    disks,
  );
}

function booted(
  identity: Identity,
  log: LoadedLog,
  machine: Machine,
  needsSnapshot: boolean,
  knownBoots: KnownBoots,
  disks: MemberDisks,
): Booted {
  const configuration = decodeMembership(machine.configuration)?.configuration;
  return { identity, ...log, machine, configuration, needsSnapshot, knownBoots, disks };
}

/** An image that ends below the log's base, or at an entry of another term, is an older or a foreign copy. */
async function joinedTo(found: FoundImage, log: LoadedLog): Promise<FoundImage> {
  if (found.type === 'lost') return found;
  const { appliedIndex, appliedTerm } = found.machine;
  const term = termAt(log, appliedIndex);
  if (term === appliedTerm) return found;
  await found.image.close();
  const why =
    term === undefined
      ? `it ends at index ${appliedIndex} and the log begins after ${log.base.index}`
      : `its index ${appliedIndex} is of term ${appliedTerm}, the log has term ${term} there`;
  return { type: 'lost', why };
}

/** Term of the log's entry at `index`; undefined below the base. The log was opened to reach `index`. */
function termAt(log: LoadedLog, index: Index): number | undefined {
  if (index < log.base.index) return undefined;
  return index === log.base.index ? log.base.term : log.entries[index - log.base.index - 1]?.term;
}
