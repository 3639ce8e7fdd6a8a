/**
 * `leasectl snapshot save` and `snapshot status`: a member's snapshot file (decision 0014). Saved beside its name first and renamed when
 * all of it is on disk and its hash is right, so that what has the name is whole.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { readSnapshotHead, snapshotBlockBytes, snapshotBodyBytes, snapshotHashBytes } from '../base/snapshot-head.ts';
import { CallError } from './connection.ts';
import { badArgs, type Command, type Context, Exit, exitCodes } from './context.ts';
import type { SnapshotStatus } from './output.ts';

const save: Command = {
  name: 'snapshot save',
  usage: 'snapshot save <filename>',
  summary: 'Stores a snapshot of a member to a file',
  flags: [],
  async run(context) {
    const file = fileOf(context, 'save');
    const printer = context.printer('rows');
    const endpoints = await context.endpoints();
    if (endpoints.length !== 1) {
      const listed = endpoints.join(' ');
      throw failure(`snapshot must be requested to one selected node, not multiple [${listed}]`);
    }
    const part = `${file}.part`;
    try {
      await receive(context, part);
      await checked(part, file);
      await rename(part, file);
    } catch (error) {
      await rm(part, { force: true });
      throw error instanceof CallError || error instanceof Exit ? error : failure(String((error as Error).message));
    }
    printer.snapshotSaved(file);
  },
};

const status: Command = {
  name: 'snapshot status',
  usage: 'snapshot status <filename>',
  summary: 'Says what is in a snapshot file: hash, revision, versions of keys, size; and checks its SHA-256',
  flags: [],
  async run(context) {
    const file = fileOf(context, 'status');
    const printer = context.printer('rows');
    try {
      printer.snapshotStatus(await checked(file, file));
    } catch (error) {
      throw error instanceof Exit ? error : failure(String((error as Error).message));
    }
  },
};

async function receive(context: Context, part: string): Promise<void> {
  const handle = await open(part, 'w', 0o600);
  try {
    for await (const { blob } of context.connection().stream('Snapshot', {}, context.interrupted))
      await handle.writeFile(blob);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What the file at `path` says of itself, once its length and hash are found right; `name` is for the error. */
async function checked(path: string, name: string): Promise<SnapshotStatus> {
  const handle = await open(path, 'r');
  const block = Buffer.alloc(snapshotBlockBytes);
  let size: number;
  try {
    size = (await handle.stat()).size;
    await handle.read(block, 0, snapshotBlockBytes, 0);
  } finally {
    await handle.close();
  }
  const head = readSnapshotHead(block.toString('latin1'));
  if (typeof head === 'string') throw failure(`${name}: ${head}`);
  const totalSize = snapshotBodyBytes(head.bytes);
  if (size !== totalSize + snapshotHashBytes)
    throw failure(`${name}: it has ${size} bytes, and must have ${totalSize + snapshotHashBytes}`);
  const hash = createHash('sha256');
  const said: Buffer[] = [];
  let at = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk.subarray(0, Math.max(0, totalSize - at)));
    said.push(chunk.subarray(Math.max(0, totalSize - at)));
    at += chunk.length;
  }
  if (!hash.digest().equals(Buffer.concat(said))) throw failure(`${name}: its SHA-256 does not fit`);
  const short = Number.parseInt(head.digest.slice(0, 8), 16);
  return { hash: short, revision: head.revision, totalKey: head.versions, totalSize };
}

function fileOf(context: Context, verb: 'save' | 'status'): string {
  const [file, ...more] = context.args;
  if (file !== undefined && more.length === 0) return file;
  throw badArgs(
    verb === 'save' ? 'snapshot save expects one argument' : 'snapshot status requires exactly one argument',
  );
}

function failure(message: string): Exit {
  return new Exit(exitCodes.error, message);
}

/** All commands about snapshot files. */
export const snapshotCommands: readonly Command[] = [save, status];
