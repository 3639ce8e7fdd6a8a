/**
 * An image with its owner: the LevelDB directory also holds a file OWNER that says whose image of which generation it is, so
 * that the image of another cluster at the same index is not taken for ours (S6). Owns that file and the judgement of an
 * image as it is found at start: good at some index, or to be discarded and why.
 */
import { randomInt } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { unreachable } from '../base/assert.ts';
import type { ImageDamage } from '../state/image-verifier.ts';
import { Machine } from '../state/machine.ts';
import { MachineLoader } from '../state/machine-loader.ts';
import type { ImageRecord } from '../store/image.ts';
import type { WalIdentity } from '../store/wal-format.ts';
import { DataDirError } from './data-dir-error.ts';
import { isThere, makeDirectory, readIfThere, removeTree, replaceFile, syncDirectory } from './durable.ts';
import { LevelImage } from './level-image.ts';
import { levelTrouble } from './level-trouble.ts';
import { idText, openSealed, seal } from './sealed-text.ts';
import { damagedTable } from './table-check.ts';

const OWNER_FORMAT = 1;

/** What was found at start. A lost image is no reason to refuse: it is rebuilt, from the log or from peers. */
export type FoundImage =
  | { readonly type: 'good'; readonly image: LevelImage; readonly machine: Machine }
  | { readonly type: 'lost'; readonly why: string };

/** Makes an empty image that belongs to `identity`; it would survive power loss when this resolves. */
export async function createImage(directory: string, identity: WalIdentity): Promise<LevelImage> {
  await makeDirectory(directory);
  const image = await LevelImage.create(directory);
  await replaceFile(ownerPath(directory), ownerText(identity));
  return image;
}

/**
 * Opens the image, reads all of it, and has the state machine check every record, the meta record and the digest (S2).
 * Throws only where the bytes may be fine and the machine says no (rights, another process).
 */
export async function readImage(directory: string, identity: WalIdentity): Promise<FoundImage> {
  if (!(await isThere(directory))) return lost('its directory is missing');
  const owner = await readIfThere(ownerPath(directory));
  if (owner === undefined) return lost('its file OWNER is missing');
  if (owner.toString('latin1') !== ownerText(identity)) return lost(whyNotOurs(owner));
  const table = await damagedTable(directory);
  if (table !== undefined) return lost(table);
  let image: LevelImage | undefined;
  try {
    image = await LevelImage.open(directory);
    const machine = await loaded(image.scan());
    if (machine instanceof Machine) return { type: 'good', image, machine };
    await image.close();
    return lost(machine.what);
  } catch (error) {
    await image?.close();
    const { kind, text } = levelTrouble(error);
    switch (kind) {
      case 'damaged':
        return lost(text);
      case 'locked':
        throw new DataDirError('locked', directory, 'in use by another process; stop it', error);
      case 'fileSystem':
        throw new DataDirError('fileSystem', directory, `cannot be read (${text}); check its owner and rights`, error);
      case 'other':
        throw error;
      default:
        return unreachable(kind);
    }
  }
}

/** The state that the records hold; an image that was never written holds none. */
async function loaded(chunks: AsyncIterable<readonly ImageRecord[]>): Promise<Machine | ImageDamage> {
  const seed = randomInt(2 ** 32);
  const loader = new MachineLoader(seed);
  let isEmpty = true;
  for await (const chunk of chunks) {
    for (const record of chunk) {
      const damage = loader.add(record);
      if (damage !== undefined) return damage;
      isEmpty = false;
    }
  }
  return isEmpty ? new Machine(seed) : loader.finish();
}

/**
 * Puts a lost image out of the way and makes an empty one. It is kept beside, for whoever wants to know what happened to it,
 * until the next one is lost.
 */
export async function replaceLostImage(directory: string, identity: WalIdentity): Promise<LevelImage> {
  const aside = `${directory}.damaged`;
  await removeTree(aside);
  if (await isThere(directory)) {
    await rename(directory, aside);
    await syncDirectory(dirname(directory));
  }
  return createImage(directory, identity);
}

function lost(why: string): FoundImage {
  return { type: 'lost', why };
}

function ownerPath(directory: string): string {
  return join(directory, 'OWNER');
}

function ownerText(identity: WalIdentity): string {
  return seal('image-owner', OWNER_FORMAT, [
    ['cluster', idText(identity.clusterId)],
    ['member', idText(identity.memberId)],
    ['generation', String(identity.generation)],
  ]);
}

function whyNotOurs(owner: Buffer): string {
  const opened = openSealed('image-owner', OWNER_FORMAT, owner);
  if (opened.type === 'format') return `its file OWNER is of format ${opened.format}`;
  if (opened.type === 'damaged') return `its file OWNER cannot be believed: ${opened.why}`;
  return `it belongs to somebody else: ${opened.lines.map(([name, value]) => `${name} ${value}`).join(', ')}`;
}
