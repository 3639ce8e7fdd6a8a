import { cpSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Booted } from '../../src/disk/boot.ts';
import { type DataPaths, dataPaths } from '../../src/disk/data-paths.ts';
import { isThere } from '../../src/disk/durable.ts';
import { ImageUnreadable, NoImageYet } from '../../src/disk/snapshot-read.ts';
import { SnapshotRefused } from '../../src/disk/snapshot-stage.ts';
import type { SnapshotHead } from '../../src/raft/message.ts';
import type { WriteGroup } from '../../src/store/entry.ts';
import type { ImageRecord } from '../../src/store/image.ts';
import { scratchDirectory } from './scratch.ts';
import {
  boot,
  entryAt,
  freshMember,
  generationOf,
  machineAt,
  memberId,
  membership,
  recordsAt,
  run,
  stateAfterBoot,
  writeImage,
  writeLog,
} from './small-member.ts';

const oldIndex = 12;
const index = 40;
const { configuration } = membership.membership;
const head: SnapshotHead = { from: 8n, to: memberId, term: 3, meta: { index, term: 1, configuration } };
/** What Raft keeps: its hard state and the entry behind the snapshot. */
const log: WriteGroup = { hardState: { term: 3, vote: 8n, commit: index }, entries: [entryAt(index + 1)] };

async function follower(seam?: (step: string) => void): Promise<{ paths: DataPaths; booted: Booted }> {
  const paths = await freshMember();
  await run(paths, { upTo: oldIndex, imageEvery: 5 });
  return { paths, booted: await boot(paths, seam === undefined ? {} : { seam }) };
}

async function stream(booted: Booted, records: readonly ImageRecord[], from = head): Promise<void> {
  const { stage } = booted.disks;
  await stage.begin(from);
  for (let at = 0; at < records.length; at += 10) await stage.chunk(records.slice(at, at + 10));
}

describe('installing a snapshot', () => {
  test('image and log become the next generation, and the member goes on from there', async () => {
    const { paths, booted } = await follower();
    await stream(booted, recordsAt(index));
    const staged = await booted.disks.stage.end();
    expect(staged.head).toBe(head);
    expect([...staged.records]).toHaveLength(recordsAt(index).length);
    await booted.disks.install(head, log);
    expect(booted.disks.identity).toEqual({ ...booted.identity, generation: 2 });
    expect((await readdir(paths.member)).sort()).toEqual(['IDENTITY', 'PEERS', 'gen-2']);

    // The open disks are the new ones.
    const machine = machineAt(index + 1);
    machine.takeImageBatch();
    const next = entryAt(index + 2);
    machine.apply(next);
    await writeLog(booted.disks, { hardState: undefined, entries: [next] });
    const source = await booted.disks.openSnapshot();
    expect(source.meta).toEqual(head.meta);
    await source.close();
    await booted.disks.close();

    const again = await boot(paths);
    expect(again.identity).toMatchObject({ generation: 2, boot: booted.identity.boot + 1 });
    expect(again.base).toEqual({ index, term: 1 });
    expect(again.hardState).toEqual(log.hardState);
    expect(again.entries.map((entry) => entry.index)).toEqual([index + 1, index + 2]);
    expect(again.machine.appliedIndex).toBe(index);
    expect(again.configuration).toEqual(configuration);
    expect(again.needsSnapshot).toBe(false);
    expect(await stateAfterBoot(again)).toEqual({ digest: machine.digest(), index: index + 2 });
  });

  test('a kill at any step finds the old generation whole before IDENTITY is renamed, the new one after', async () => {
    const steps: string[] = [];
    const copies: string[] = [];
    let root = '';
    let recording = false;
    const copyRoot = await scratchDirectory();
    const copy = (step: string): void => {
      if (!recording) return;
      const to = join(copyRoot, String(steps.length));
      steps.push(step);
      copies.push(to);
      // What a killed process leaves: the files as they are at this moment.
      cpSync(root, to, { recursive: true });
    };
    const { paths, booted } = await follower(copy);
    root = paths.root;
    recording = true;
    await stream(booted, recordsAt(index));
    await booted.disks.stage.end();
    await booted.disks.install(head, log);
    copy('after');
    await booted.disks.close();

    expect(steps).toEqual([
      'stage directory',
      'write stage',
      'verify stage',
      'make log',
      'sync generation',
      'write new file',
      'sync new file',
      'rename',
      'sync directory of renamed file',
      'switch',
      'remove old generation',
      'after',
    ]);
    const commit = steps.indexOf('rename');
    for (const [at, root_] of copies.entries()) {
      const found = dataPaths(root_);
      const after = await boot(found);
      const isNew = at > commit;
      expect(after.identity.generation, steps[at]).toBe(isNew ? 2 : 1);
      expect(after.machine.appliedIndex, steps[at]).toBe(isNew ? index : 10);
      expect(after.base.index).toBe(isNew ? index : 0);
      const last = isNew ? index + 1 : oldIndex;
      expect(await stateAfterBoot(after), steps[at]).toEqual({ digest: machineAt(last).digest(), index: last });
      expect((await readdir(found.member)).sort()).toEqual(['IDENTITY', 'PEERS', isNew ? 'gen-2' : 'gen-1']);
    }
  });

  test('nothing may be written while one is installed, and none may be installed over a write', async () => {
    const { booted } = await follower();
    await stream(booted, recordsAt(index));
    await booted.disks.stage.end();
    const write = writeLog(booted.disks, { hardState: undefined, entries: [entryAt(oldIndex + 1)] });
    await expect(booted.disks.install(head, log)).rejects.toThrow('no write is outstanding');
    await write;
    const installing = booted.disks.install(head, log);
    expect(() => booted.disks.writeLog(log, () => undefined)).toThrow('nothing is written while');
    expect(() => booted.disks.writeImage({ ops: [], appliedIndex: 1 }, () => undefined)).toThrow();
    expect(() => booted.disks.dropLogUpTo(1)).toThrow();
    await expect(booted.disks.stage.begin(head)).rejects.toThrow(SnapshotRefused);
    await installing;
    await booted.disks.close();
  });

  test('nothing new is staged until the old generation is gone: the node installs one snapshot at a time', async () => {
    let early: Promise<void> | undefined;
    const { booted } = await follower((step) => {
      if (step === 'remove old generation') early = booted.disks.stage.begin(head);
    });
    await stream(booted, recordsAt(index));
    await booted.disks.stage.end();
    const installed = booted.disks.install(head, log);
    await installed;
    await expect(early).rejects.toThrow(SnapshotRefused);
    await booted.disks.stage.begin(head);
    await booted.disks.close();
  });

  test('only what was staged is installed, with its hard state', async () => {
    const { booted } = await follower();
    await expect(booted.disks.install(head, log)).rejects.toThrow('only a staged snapshot');
    await booted.disks.close();
    const second = (await follower()).booted;
    await stream(second, recordsAt(index));
    await second.disks.stage.end();
    await expect(second.disks.install(head, { ...log, hardState: undefined })).rejects.toThrow('hard state');
    const other = { ...head, meta: { ...head.meta, index: index + 1 } };
    await expect(second.disks.install(other, log)).rejects.toThrow('the one staged');
    await second.disks.close();
  });

  test('one after the other, many times', async () => {
    const { paths, booted } = await follower();
    for (let life = 1; life <= 4; life++) {
      const at = index + life * 3;
      const next = { ...head, meta: { ...head.meta, index: at } };
      await stream(booted, recordsAt(at), next);
      await booted.disks.stage.end();
      await booted.disks.install(next, { hardState: { term: 3, vote: 0n, commit: at }, entries: [] });
      expect((await readdir(paths.member)).sort()).toEqual(['IDENTITY', 'PEERS', `gen-${1 + life}`]);
    }
    await booted.disks.close();
    const again = await boot(paths);
    expect(await stateAfterBoot(again)).toEqual({ digest: machineAt(index + 12).digest(), index: index + 12 });
  });
});

describe('a stream that must not be believed', () => {
  const good = recordsAt(index);
  const changed = (at: number, change: (record: ImageRecord) => ImageRecord | undefined): ImageRecord[] =>
    good.flatMap((record, other) => (other === at ? (change(record) ?? []) : record));
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
    const copy = Uint8Array.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const middle = Math.floor(good.length / 2);
  const streams: [string, readonly ImageRecord[], SnapshotHead][] = [
    ['nothing', [], head],
    ['the meta record alone', good.slice(0, 1), head],
    ['no meta record', good.slice(1), head],
    ['cut at the end', good.slice(0, -1), head],
    ['a record lost in the middle', changed(middle, () => undefined), head],
    ['a byte of a value', changed(middle, ({ key, value }) => ({ key, value: flipped(value, 5) })), head],
    ['a byte of a key', changed(middle, ({ key, value }) => ({ key: flipped(key, 5), value })), head],
    ['a byte of the meta record', changed(0, ({ key, value }) => ({ key, value: flipped(value, 9) })), head],
    ['a record too many', [...good, { key: Buffer.from([9]), value: Buffer.from('more') }], head],
    ['records of another time', [...recordsAt(index + 1).slice(0, 1), ...good.slice(1)], head],
    ['another index than its head', good, { ...head, meta: { ...head.meta, index: index + 1 } }],
    ['another term than its head', good, { ...head, meta: { ...head.meta, term: 2 } }],
  ];

  test.each(streams)(
    '%s: refused, nothing is left behind, and a good one is taken after it',
    async (_name, records, from) => {
      const { paths, booted } = await follower();
      await stream(booted, records, from);
      await expect(booted.disks.stage.end()).rejects.toThrow(SnapshotRefused);
      expect(await isThere(generationOf(paths, 2).directory)).toBe(false);
      await stream(booted, good);
      await booted.disks.stage.end();
      await booted.disks.install(head, log);
      await booted.disks.close();
      expect((await stateAfterBoot(await boot(paths))).digest).toBe(machineAt(index + 1).digest());
    },
  );

  test('one that breaks off is removed; one that waits is discarded on the node’s word', async () => {
    const { paths, booted } = await follower();
    const { stage } = booted.disks;
    await stream(booted, good.slice(0, 20));
    expect(await isThere(generationOf(paths, 2).directory)).toBe(true);
    await stage.abort();
    expect(await isThere(generationOf(paths, 2).directory)).toBe(false);
    await expect(stage.chunk(good)).rejects.toThrow('no snapshot is being received');
    await expect(stage.end()).rejects.toThrow('no snapshot is being received');

    // A new stream takes the place of one that is still arriving.
    await stream(booted, good.slice(0, 20));
    await stream(booted, good);
    await stage.end();
    await expect(stage.begin(head)).rejects.toThrow('another snapshot waits');
    await stage.abort();
    expect(await isThere(generationOf(paths, 2).directory)).toBe(true);
    await stage.discard();
    expect(await isThere(generationOf(paths, 2).directory)).toBe(false);
    await booted.disks.close();
    expect(await stateAfterBoot(await boot(paths))).toMatchObject({ index: oldIndex });
  });
});

describe('reading a snapshot', () => {
  test('meta and records are of one moment, whatever is written meanwhile; another member can install it', async () => {
    const paths = await freshMember();
    await run(paths, { upTo: index, imageEvery: index });
    const sender = await boot(paths);
    const source = await sender.disks.openSnapshot();
    expect(source.meta).toEqual(head.meta);

    const { machine } = sender;
    machine.apply(entryAt(index + 1));
    const batch = machine.takeImageBatch();
    await writeLog(sender.disks, { hardState: undefined, entries: [entryAt(index + 1)] });
    if (batch !== undefined) await writeImage(sender.disks, batch);

    const receiver = await follower();
    const { stage } = receiver.booted.disks;
    await stage.begin({ ...head, meta: source.meta });
    for await (const chunk of source.chunks) await stage.chunk(chunk);
    await source.close();
    await stage.end();
    await receiver.booted.disks.install(head, log);
    await receiver.booted.disks.close();
    await sender.disks.close();
    const after = await stateAfterBoot(await boot(receiver.paths));
    expect(after).toEqual({ digest: machineAt(index + 1).digest(), index: index + 1 });
  });

  test('an empty image, and one with a bad record, are not sent', async () => {
    const fresh = await boot(await freshMember());
    await expect(fresh.disks.openSnapshot()).rejects.toThrow(NoImageYet);
    await fresh.disks.close();

    const { booted } = await follower();
    const { key, value } = recordsAt(10).at(-1) as ImageRecord;
    const bad = Uint8Array.from(value);
    bad[3] = (bad[3] ?? 0) ^ 4;
    await writeImage(booted.disks, { ops: [{ key, value: bad }], appliedIndex: 10 });
    const source = await booted.disks.openSnapshot();
    const read = async (): Promise<void> => {
      for await (const chunk of source.chunks) expect(chunk.length).toBeGreaterThan(0);
    };
    await expect(read()).rejects.toThrow(ImageUnreadable);
    await source.close();
    await booted.disks.close();
  });

  test('a stream given up half way holds nothing back', async () => {
    const { booted } = await follower();
    const source = await booted.disks.openSnapshot();
    await source.close();
    await booted.disks.close();
  });
});
