/**
 * The file PEERS: the highest boot this member has seen of every other one, remembered over restarts. An older copy of a
 * directory comes back with a boot that somebody has seen already, and is found out by it (S6). Owns the file and the
 * rule; the handshake between members asks and tells.
 *
 * A boot is noted, synced, before any message of its member is looked at: else we could crash in between, forget it, and
 * believe the older copy later.
 */
import type { MemberId } from '../store/entry.ts';
import { DataDirError, rejoinRemedy } from './data-dir-error.ts';
import { readIfThere, replaceFile, type StepSeam } from './durable.ts';
import { countOfText, idOfText, idText, openSealed, type SealedLine, seal } from './sealed-text.ts';

const PEERS_FORMAT = 1;

/** A start of a member; `token` 0n where the other side does not say. */
export interface SeenBoot {
  readonly boot: number;
  readonly token: bigint;
}

/** What a boot is, next to what was seen: the same start again, a newer one, or a directory that went back in time. */
export type BootVerdict = 'new' | 'same' | 'older';

export class KnownBoots {
  readonly #path: string;
  readonly #seam: StepSeam | undefined;
  readonly #boots: Map<MemberId, SeenBoot>;
  /** Writes go one behind the other; a failed one fails all later ones, as the file is then unknown (S4). */
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, boots: Map<MemberId, SeenBoot>, seam: StepSeam | undefined) {
    this.#path = path;
    this.#boots = boots;
    this.#seam = seam;
  }

  /** Reads the file. Throws a refusal that names it if it is missing or damaged: it is made together with IDENTITY. */
  static async open(path: string, seam?: StepSeam): Promise<KnownBoots> {
    const bytes = await readIfThere(path);
    if (bytes === undefined) {
      const text = `the memory of other members' starts is gone; ${rejoinRemedy}`;
      throw new DataDirError('missing', path, text);
    }
    return new KnownBoots(path, parseKnownBoots(path, bytes), seam);
  }

  /** Makes the file of a member that has seen nobody. */
  static async create(path: string, seam?: StepSeam): Promise<void> {
    await replaceFile(path, knownBootsText(new Map()), seam);
  }

  /** The highest boot seen of `member`; 0 if none. */
  seen(member: MemberId): number {
    return this.#boots.get(member)?.boot ?? 0;
  }

  /** What a member that says it is in `boot` (with `token`, 0n if it does not say) is. `older` must be refused. */
  check(member: MemberId, boot: number, token = 0n): BootVerdict {
    const known = this.#boots.get(member);
    if (known === undefined || boot > known.boot) return 'new';
    if (boot < known.boot) return 'older';
    return known.token === 0n || token === 0n || known.token === token ? 'same' : 'older';
  }

  /**
   * Remembers a start of `member`; resolves when it would survive power loss. An older one changes nothing. Calls may
   * overlap.
   */
  note(member: MemberId, boot: number, token = 0n): Promise<void> {
    if (this.check(member, boot, token) === 'new') {
      this.#boots.set(member, { boot, token });
      const text = knownBootsText(this.#boots);
      this.#writing = this.#writing.then(() => replaceFile(this.#path, text, this.#seam));
      // Whoever waits sees the failure; this only keeps an unwatched copy of it from ending the process by itself.
      this.#writing.catch(() => undefined);
    }
    return this.#writing;
  }
}

/** The text of the file, ascending by member. */
export function knownBootsText(boots: ReadonlyMap<MemberId, SeenBoot>): string {
  const ascending = [...boots].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const lines = ascending.map(
    ([member, { boot, token }]): SealedLine => ['peer', `${idText(member)} ${boot} ${idText(token)}`],
  );
  return seal('peers', PEERS_FORMAT, lines);
}

/** What the bytes of the file say. Throws a refusal that names `path` if they cannot be believed. */
export function parseKnownBoots(path: string, bytes: Buffer): Map<MemberId, SeenBoot> {
  const opened = openSealed('peers', PEERS_FORMAT, bytes);
  if (opened.type === 'format') {
    const text = `written in format ${opened.format}, this program knows ${PEERS_FORMAT}; start the leasehold that wrote it`;
    throw new DataDirError('format', path, text);
  }
  if (opened.type === 'damaged') throw damaged(path, opened.why);
  const boots = new Map<MemberId, SeenBoot>();
  for (const [name, value] of opened.lines) {
    const [memberText, bootText, tokenText, ...rest] = value.split(' ');
    const member = idOfText(memberText);
    const boot = countOfText(bootText);
    const token = idOfText(tokenText);
    if (name !== 'peer' || member === undefined || boot === undefined || token === undefined || rest.length > 0) {
      throw damaged(path, 'a line is wrong');
    }
    boots.set(member, { boot, token });
  }
  return boots;
}

function damaged(path: string, why: string): DataDirError {
  const text = `the memory of other members' starts cannot be believed (${why}); ${rejoinRemedy}`;
  return new DataDirError('damaged', path, text);
}
