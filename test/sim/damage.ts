/**
 * What is done to the bytes of a member that is down, or behind its back while it runs: flips, misdirected sectors, lost files,
 * images with holes. Owns where damage may fall; whether it may fall at all is `faults-disk.ts`'s.
 */
import { type ByteString, compareByteStrings } from '../../src/base/bytes.ts';
import type { Prng } from '../../src/base/prng.ts';
import type { Entry } from '../../src/store/entry.ts';
import { SECTOR_BYTES, segmentKey } from '../../src/store/wal-format.ts';
import { decodeEntries, decodeGroupHead } from '../../src/store/wal-group.ts';
import type { SimDisks } from './disks.ts';

/** A write group as it lies on disk. */
interface GroupPlace {
  readonly file: string;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly entries: readonly Entry[];
}

/** All groups on the log's disk, oldest first. */
function groupsOf(disks: SimDisks): GroupPlace[] {
  const places: GroupPlace[] = [];
  for (const { name, bytes } of disks.wal.files.all()) {
    const key = segmentKey(bytes);
    let offset = SECTOR_BYTES;
    for (;;) {
      const head = decodeGroupHead(bytes, offset, key);
      if (head === undefined) break;
      const entries = decodeEntries(bytes, offset, head) ?? [];
      places.push({ file: name, offset, sizeBytes: head.sizeBytes, entries });
      offset += head.sizeBytes;
    }
  }
  return places;
}

/** A bit of a group before the last one. False: there is none. */
export function flipOldBit(disks: SimDisks, prng: Prng): boolean {
  const places = groupsOf(disks).slice(0, -1);
  if (places.length === 0) return false;
  flip(disks, prng.pick(places), prng);
  return true;
}

/** What the last group holds: whether it may be lost is for the caller to say. */
export function lastGroupEntries(disks: SimDisks): readonly Entry[] {
  return groupsOf(disks).at(-1)?.entries ?? [];
}

/** A bit of the last group. False: the log has but one. */
export function flipLastBit(disks: SimDisks, prng: Prng): boolean {
  const places = groupsOf(disks);
  const last = places.at(-1);
  if (last === undefined || places.length < 2) return false;
  flip(disks, last, prng);
  return true;
}

function flip(disks: SimDisks, { file, offset, sizeBytes }: GroupPlace, prng: Prng): void {
  const bytes = disks.wal.files.bytes(file);
  const at = offset + prng.below(sizeBytes);
  bytes[at] = (bytes[at] as number) ^ (1 << prng.below(8));
}

/** A sector of an older group is written over one of another older group. False: there are not two. */
export function misdirect(disks: SimDisks, prng: Prng): boolean {
  const places = groupsOf(disks).slice(0, -1);
  if (places.length < 2) return false;
  const from = prng.pick(places);
  const to = prng.pick(places.filter((place) => place !== from));
  const source = disks.wal.files.bytes(from.file);
  source.copy(disks.wal.files.bytes(to.file), to.offset, from.offset, from.offset + SECTOR_BYTES);
  return true;
}

/** A segment file vanishes; the member is down. */
export function loseSegment(disks: SimDisks, prng: Prng): void {
  disks.wal.files.erase(prng.pick(disks.wal.files.names()));
}

/** A run of image records vanishes, later ones stay: what LevelDB makes of a flipped bit in its log. */
export function loseMiddle(disks: SimDisks, prng: Prng): boolean {
  const copy = new Map<ByteString, Uint8Array>(disks.image.copy());
  const names = [...copy.keys()].sort(compareByteStrings);
  if (names.length < 3) return false;
  const from = prng.between(1, names.length - 2);
  const count = Math.min(prng.between(1, 30), names.length - from - 1);
  for (const name of names.slice(from, from + count)) copy.delete(name);
  disks.image.restore(copy);
  return true;
}
