/**
 * A real member on a small disk, without Raft: it writes groups of entries to its log, applies them, and writes the image now
 * and then, as a node would. For tests of the data directory.
 */
import { type Booted, type BootOptions, bootMember } from '../../src/disk/boot.ts';
import { createMember } from '../../src/disk/data-dir.ts';
import { type DataPaths, dataPaths, generationPaths } from '../../src/disk/data-paths.ts';
import { fsLogDisk } from '../../src/disk/fs-log-disk.ts';
import type { MemberDisks } from '../../src/disk/member-disks.ts';
import { initialLog, initialMembership } from '../../src/raft/membership.ts';
import { encodeCommand, packCommands } from '../../src/state/codec.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Entry, WriteGroup } from '../../src/store/entry.ts';
import type { ImageBatch, ImageRecord } from '../../src/store/image.ts';
import { scratchDirectory } from './scratch.ts';

export const memberId = 7n;
export const membership = initialMembership('test', [
  { id: memberId, name: 'n1', peerUrls: ['http://127.0.0.1:1'] },
  { id: 8n, name: 'n2', peerUrls: ['http://127.0.0.1:2'] },
  { id: 9n, name: 'n3', peerUrls: ['http://127.0.0.1:3'] },
]);
export const expected = { clusterId: membership.clusterId, memberId };
/** Small segments, so that a log has several and can be cut. */
export const logs = fsLogDisk({ segmentBytes: 16 * 1024 });

/** Entry `index` of the one history all tests share: entry 1 is the configuration, then a grant and a put each. */
export function entryAt(index: number, term = 1): Entry {
  if (index === 1) return initialLog(membership.payload).entries[0] as Entry;
  const origin = { member: memberId, boot: 1, seq: index };
  const key = Buffer.from(`key ${index % 50}`);
  const commands = [
    encodeCommand({ origin, command: { type: 'grant', id: BigInt(index), ttlMs: 60_000 + index } }),
    encodeCommand({
      origin,
      command: {
        type: 'put',
        key,
        value: Buffer.from(`value ${index} ${'x'.repeat(100)}`),
        lease: BigInt(index),
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      },
    }),
  ];
  return { index, term, kind: 'commands', payload: packCommands(commands) };
}

/** The state after entries 1 … `index`. */
export function machineAt(index: number): Machine {
  const machine = new Machine();
  for (let at = 1; at <= index; at++) machine.apply(entryAt(at));
  return machine;
}

/** The whole image of that state, in key order. */
export function recordsAt(index: number): ImageRecord[] {
  const ops = [...(machineAt(index).takeImageBatch()?.ops ?? [])];
  const records = ops.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value }]));
  return records.sort((a, b) => Buffer.compare(a.key, b.key));
}

export function writeLog(disks: MemberDisks, group: WriteGroup): Promise<void> {
  return new Promise((resolve, reject) => disks.writeLog(group, (error) => (error ? reject(error) : resolve())));
}

export function writeImage(disks: MemberDisks, batch: ImageBatch): Promise<void> {
  return new Promise((resolve, reject) => disks.writeImage(batch, (error) => (error ? reject(error) : resolve())));
}

/** A member that was made but never started. */
export async function freshMember(): Promise<DataPaths> {
  const paths = dataPaths(await scratchDirectory());
  await createMember(paths, { identity: expected, initial: initialLog(membership.payload), logs });
  return paths;
}

export function boot(paths: DataPaths, options: Partial<BootOptions> = {}): Promise<Booted> {
  return bootMember(paths, { expected, logs, ...options });
}

export interface RunOptions {
  /** Write entries up to here. */
  readonly upTo: number;
  /** The image is written at multiples of this, and at no other index. */
  readonly imageEvery: number;
  /** Drop the log up to the image behind every image write. */
  readonly dropLog?: boolean;
}

/** Starts the member, replays what the image lacks, writes on, and stops it cleanly. Returns the final digest. */
export async function run(paths: DataPaths, { upTo, imageEvery, dropLog = false }: RunOptions): Promise<string> {
  const { disks, machine, entries, base } = await boot(paths);
  for (const entry of entries) if (entry.index > machine.appliedIndex) machine.apply(entry);
  const last = base.index + entries.length;
  for (let index = last + 1; index <= upTo; index++) {
    const entry = entryAt(index);
    await writeLog(disks, { hardState: { term: 1, vote: memberId, commit: index - 1 }, entries: [entry] });
    machine.apply(entry);
    if (index % imageEvery !== 0) continue;
    const batch = machine.takeImageBatch();
    if (batch !== undefined) await writeImage(disks, batch);
    if (dropLog) disks.dropLogUpTo(index);
  }
  await disks.close();
  return machine.digest();
}

/** The directories of the member's present generation. */
export function generationOf(paths: DataPaths, generation = 1): { log: string; image: string; directory: string } {
  return generationPaths(paths.member, generation);
}

/** Boots and replays all of the log: the state it comes to. Closes again. */
export async function stateAfterBoot(booted: Booted): Promise<{ digest: string; index: number }> {
  for (const entry of booted.entries) if (entry.index > booted.machine.appliedIndex) booted.machine.apply(entry);
  await booted.disks.close();
  return { digest: booted.machine.digest(), index: booted.machine.appliedIndex };
}
