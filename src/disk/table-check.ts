/**
 * Checks LevelDB's table files before LevelDB reads them. It must, for two reasons. LevelDB as we get it does not look at the
 * checksums of tables at all (reliability §0.1). And what it then makes of a flipped bit may run into one of its own C++
 * asserts, which ends the process (measured: `internal_key.size() >= 8`), at every start anew: the member could never
 * repair itself. Owns the reading of the format as far as its checksums go (LevelDB doc/table_format.md); what the records say
 * is checked by the state machine. Invariant: S2.
 *
 * The logs and the manifest need no such help: LevelDB checks each of their records.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from './crc32c.ts';

const footerBytes = 48;
const magicLow = 0x8b80fb57;
const magicHigh = 0xdb477524;
/** Behind each block: its type (0: not compressed, the only one we write) and the masked CRC of block and type. */
const trailerBytes = 5;
const crcMaskDelta = 0xa282ead8;

/** A stretch of the file that a block fills, without its trailer. */
interface Block {
  readonly offset: number;
  readonly size: number;
}

/** The first damage found in the tables of a LevelDB directory, in one line, or undefined. */
export async function damagedTable(directory: string): Promise<string | undefined> {
  for (const name of (await readdir(directory)).sort()) {
    if (!/\.(ldb|sst)$/.test(name)) continue;
    const what = tableDamage(await readFile(join(directory, name)));
    if (what !== undefined) return `${name}: ${what}`;
  }
  return undefined;
}

/**
 * What is wrong with a table, or undefined. A file without the magic number at its end is passed over: it is a table that was
 * never finished, which LevelDB removes, or LevelDB itself refuses it in good order.
 */
export function tableDamage(file: Buffer): string | undefined {
  const end = file.length - footerBytes;
  if (end < 0) return undefined;
  if (file.readUInt32LE(end + 40) !== magicLow || file.readUInt32LE(end + 44) !== magicHigh) return undefined;
  const footer = new VarintReader(file, end, end + 40);
  const metaIndex = footer.block();
  const index = footer.block();
  if (metaIndex === undefined || index === undefined || !footer.onlyZerosLeft()) return 'its footer cannot be read';
  for (const directory of [index, metaIndex]) {
    const damage = blockDamage(file, directory);
    if (damage !== undefined) return damage;
    const blocks = blocksNamedIn(file, directory);
    if (blocks === undefined) return `the index at byte ${directory.offset} cannot be read`;
    for (const block of blocks) {
      const inner = blockDamage(file, block);
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}

function blockDamage(file: Buffer, { offset, size }: Block): string | undefined {
  const end = offset + size;
  if (end + trailerBytes > file.length - footerBytes) return `a block at byte ${offset} reaches beyond the file`;
  if (file[end] !== 0) return `the block at byte ${offset} is of a type we do not write`;
  const crc = crc32c(file, offset, end + 1);
  const masked = (((crc >>> 15) | (crc << 17)) + crcMaskDelta) >>> 0;
  return masked === file.readUInt32LE(end + 1)
    ? undefined
    : `the checksum of the block at byte ${offset} does not match`;
}

/**
 * The blocks that an index block points to. Its entries are (shared length, rest length, value length, rest of the key, value);
 * behind them stand the restart points, 4 bytes each, and how many there are.
 */
function blocksNamedIn(file: Buffer, { offset, size }: Block): Block[] | undefined {
  if (size < 4) return undefined;
  const end = offset + size;
  const restarts = end - 4 - 4 * file.readUInt32LE(end - 4);
  if (restarts < offset) return undefined;
  const blocks: Block[] = [];
  const reader = new VarintReader(file, offset, restarts);
  while (!reader.finished) {
    const shared = reader.varint();
    const rest = reader.varint();
    const valueLength = reader.varint();
    if (shared === undefined || rest === undefined || valueLength === undefined) return undefined;
    reader.skip(rest);
    const value = reader.take(valueLength);
    const block = value?.block();
    if (block === undefined) return undefined;
    blocks.push(block);
  }
  return blocks;
}

/** Reads LevelDB's variable-length numbers between two places of a file; undefined where there is none. */
class VarintReader {
  readonly #file: Buffer;
  readonly #end: number;
  #at: number;

  constructor(file: Buffer, start: number, end: number) {
    this.#file = file;
    this.#at = start;
    this.#end = end;
  }

  get finished(): boolean {
    return this.#at >= this.#end;
  }

  /** A number below 2^49, which is more than a file has bytes, in its shortest form. */
  varint(): number | undefined {
    let value = 0;
    for (let unit = 1; unit < 2 ** 49; unit *= 128) {
      const byte = this.#at < this.#end ? this.#file[this.#at++] : undefined;
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * unit;
      // A last byte of 0 behind others is a longer way to write the same number, which nobody uses: a flipped bit.
      if (byte < 128) return byte === 0 && unit > 1 ? undefined : value;
    }
    return undefined;
  }

  /** Whether nothing but padding follows. */
  onlyZerosLeft(): boolean {
    return this.#file.subarray(this.#at, this.#end).every((byte) => byte === 0);
  }

  block(): Block | undefined {
    const offset = this.varint();
    const size = this.varint();
    return offset === undefined || size === undefined ? undefined : { offset, size };
  }

  skip(count: number): void {
    this.#at += count;
  }

  /** A reader of the next `count` bytes. */
  take(count: number): VarintReader | undefined {
    const start = this.#at;
    this.#at += count;
    return this.#at <= this.#end ? new VarintReader(this.#file, start, this.#at) : undefined;
  }
}
