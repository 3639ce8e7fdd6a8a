/** The snapshot file of decision 0014: its layout to the byte, one moment, no damaged image in it; and merging tables. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSnapshotHead, snapshotBodyBytes } from '../../src/base/snapshot-head.ts';
import { LevelImage } from '../../src/disk/level-image.ts';
import { openSnapshotFile, snapshotPieceBytes } from '../../src/disk/snapshot-file.ts';
import { ImageUnreadable } from '../../src/disk/snapshot-read.ts';
import { Machine } from '../../src/state/machine.ts';
import { loadMachine } from '../../src/state/machine-loader.ts';
import type { ImageBatch, ImageRecord } from '../../src/store/image.ts';
import { scratchDirectory } from './scratch.ts';
import { entryAt, machineAt } from './small-member.ts';

const who = { cluster: '00000000000000aa', member: 'fedcba9876543210' };

function write(image: LevelImage, batch: ImageBatch): Promise<void> {
  return new Promise((resolve, reject) => image.write(batch, (error) => (error ? reject(error) : resolve())));
}

async function imageOf(machine: Machine): Promise<LevelImage> {
  const image = await LevelImage.create(join(await scratchDirectory(), 'image'));
  const batch = machine.takeImageBatch();
  if (batch !== undefined) await write(image, batch);
  return image;
}

async function read(image: LevelImage): Promise<{ pieces: Buffer[]; totalBytes: number }> {
  const file = await openSnapshotFile(image, who);
  const pieces: Buffer[] = [];
  for await (const piece of file.pieces()) pieces.push(piece);
  await file.close();
  return { pieces, totalBytes: file.totalBytes };
}

function recordsOf(body: Buffer, bytes: number): ImageRecord[] {
  const records: ImageRecord[] = [];
  for (let at = 512; at < 512 + bytes; ) {
    const [keyEnd, valueLength] = [at + 8 + body.readUInt32BE(at), body.readUInt32BE(at + 4)];
    records.push({ key: body.subarray(at + 8, keyEnd), value: body.subarray(keyEnd, keyEnd + valueLength) });
    at = keyEnd + valueLength;
  }
  return records;
}

describe('a snapshot file', () => {
  test('has a head that can be read, the whole image in key order, and the announced length', async () => {
    const machine = machineAt(600);
    const image = await imageOf(machine);
    const { pieces, totalBytes } = await read(image);
    await image.close();
    expect(pieces.length).toBeGreaterThan(3);
    for (const piece of pieces.slice(0, -1)) expect(piece.length).toBe(snapshotPieceBytes);
    const body = Buffer.concat(pieces);
    expect(body.length).toBe(totalBytes);
    expect(totalBytes % 512).toBe(0);
    const head = readSnapshotHead(body.toString('latin1', 0, 512));
    if (typeof head === 'string') throw new Error(head);
    expect(head).toMatchObject({ ...who, index: 600, term: 1, revision: machine.revision, digest: machine.digest() });
    expect(head.versions).toBe(599);
    expect(totalBytes).toBe(snapshotBodyBytes(head.bytes));
    expect(body.subarray(512 + head.bytes).every((byte) => byte === 0)).toBe(true);
    const records = recordsOf(body, head.bytes);
    expect(records.length).toBe(head.records);
    const restored = loadMachine(records);
    if (!(restored instanceof Machine)) throw new Error(restored.what);
    expect(restored.digestAtIndex()).toEqual(machine.digestAtIndex());
  });

  test('is of the moment when it was opened, whatever is written while it is read', async () => {
    const machine = machineAt(300);
    const image = await imageOf(machine);
    const digest = machine.digest();
    const file = await openSnapshotFile(image, who);
    const pieces: Buffer[] = [];
    for await (const piece of file.pieces()) {
      pieces.push(piece);
      machine.apply(entryAt(machine.appliedIndex + 1));
      await write(image, machine.takeImageBatch() as ImageBatch);
    }
    await file.close();
    await image.close();
    const body = Buffer.concat(pieces);
    const restored = loadMachine(recordsOf(body, file.head.bytes));
    if (!(restored instanceof Machine)) throw new Error(restored.what);
    expect([restored.appliedIndex, restored.digest()]).toEqual([300, digest]);
  });

  test('is not begun of a damaged image, nor of an empty one', async () => {
    const image = await imageOf(machineAt(50));
    await write(image, { ops: [{ key: Uint8Array.of(2, 0), value: Uint8Array.of(1) }], appliedIndex: 51 });
    await expect(openSnapshotFile(image, who)).rejects.toBeInstanceOf(ImageUnreadable);
    await image.close();
    const empty = await LevelImage.create(join(await scratchDirectory(), 'image'));
    await expect(openSnapshotFile(empty, who)).rejects.toThrow(/meta record is missing/);
    await empty.close();
  });

  test('that is given up half read frees what was held for it: the image closes', async () => {
    const image = await imageOf(machineAt(600));
    const file = await openSnapshotFile(image, who);
    for await (const piece of file.pieces()) {
      expect(piece.length).toBe(snapshotPieceBytes);
      break;
    }
    await file.close();
    await image.close();
    expect(image.isOpen).toBe(false);
  });
});

test('merging tables gives back the room of what was deleted, while writes go on', async () => {
  const directory = join(await scratchDirectory(), 'image');
  const image = await LevelImage.create(directory);
  const sizeOf = async (): Promise<number> => {
    const files = (await readdir(directory)).filter((name) => name.endsWith('.ldb'));
    const sizes = await Promise.all(files.map(async (name) => (await stat(join(directory, name))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  };
  const value = Buffer.alloc(1024, 'x');
  const key = (i: number) => Buffer.from([2, i >> 8, i & 0xff]);
  const ops = Array.from({ length: 8_000 }, (_, i) => ({ key: key(i), value }));
  await write(image, { ops, appliedIndex: 1 });
  await image.compact();
  const before = await sizeOf();
  expect(before).toBeGreaterThan(7 * 1024 * 1024);
  await write(image, { ops: ops.map((op) => ({ key: op.key, value: undefined })), appliedIndex: 2 });
  const [tidied] = await Promise.all([
    image.compact().then(sizeOf),
    write(image, { ops: [{ key: key(9_000), value }], appliedIndex: 3 }),
  ]);
  expect(tidied).toBeLessThan(before / 10);
  const records: ImageRecord[] = [];
  for await (const chunk of image.scan()) records.push(...chunk);
  expect(records.map((record) => [...record.key])).toEqual([[...key(9_000)]]);
  await image.close();
});
