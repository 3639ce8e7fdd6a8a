/**
 * Commands as bytes (house §3): each is encoded once, where it is proposed, as a msgpack tuple, and these bytes go to the leader,
 * the log and apply. Byte-stable: the same command gives the same bytes with every version of this program (goldens in the
 * tests), as the log is hashed and replayed. What a client put into a command is brought into range when it is encoded, so that
 * nothing that was encoded can fail to decode on another member. Invariants: D1, D2.
 *
 *     command  [member u64, boot, seq, kind, …fields]
 *     entry    format u8, then for each command its length u32 and its bytes
 */
import { Packr } from 'msgpackr';
import { assert } from '../base/assert.ts';
import { asBuffer } from '../base/bytes.ts';
import { MalformedCommand, type Tuple } from './codec-fields.ts';
import { isWellFormed } from './codec-shape.ts';
import { readCommand, readTexts, tupleOf } from './codec-tuple.ts';
import type { Origin, OriginatedCommand } from './command.ts';

/** First byte of a commands entry; raised when tuples change. */
export const ENTRY_FORMAT = 1;

const LENGTH_BYTES = 4;
/** Keeps a buffer of its own to write into, and nothing else from one call to the next. */
const packr = new Packr({ useRecords: false, int64AsType: 'bigint' });

/** A command's bytes. A private copy: nothing else refers to it. */
export function encodeCommand(command: OriginatedCommand): Uint8Array {
  return packed(tupleOf(command));
}

/** Reads what `encodeCommand` wrote. Any other bytes give an error value; never throws. */
export function decodeCommand(encoded: Uint8Array): OriginatedCommand | MalformedCommand {
  try {
    return readCommand(unpacked(encoded));
  } catch (error) {
    return error instanceof MalformedCommand ? error : new MalformedCommand(String(error));
  }
}

/** Who asked, without reading the rest; undefined if the bytes do not begin like a command. */
export function peekOrigin(encoded: Uint8Array): Origin | undefined {
  const bytes = asBuffer(encoded);
  const first = bytes[0];
  if (first === undefined || bytes.length < 12) return undefined;
  const at = first >= 0x90 && first <= 0x9f ? 1 : first === 0xdc ? 3 : -1;
  if (at < 0 || (bytes[at] !== 0xcf && bytes[at] !== 0xd3)) return undefined;
  const boot = peekWhole(bytes, at + 9);
  const seq = boot === undefined ? undefined : peekWhole(bytes, boot.end);
  if (boot === undefined || seq === undefined) return undefined;
  return { member: bytes.readBigUInt64BE(at + 1), boot: boot.value, seq: seq.value };
}

/** One entry's payload from commands already encoded. */
export function packCommands(encoded: readonly Uint8Array[]): Uint8Array {
  let size = 1;
  for (const bytes of encoded) size += LENGTH_BYTES + bytes.length;
  const payload = Buffer.allocUnsafe(size);
  payload[0] = ENTRY_FORMAT;
  let at = 1;
  for (const bytes of encoded) {
    payload.writeUInt32BE(bytes.length, at);
    payload.set(bytes, at + LENGTH_BYTES);
    at += LENGTH_BYTES + bytes.length;
  }
  return payload;
}

/**
 * The commands of a committed entry. What is committed was encoded by a member, and looked over by whoever took it in
 * (`areCommands`), so a payload that cannot be read is our own fault.
 */
export function unpackCommands(payload: Uint8Array): OriginatedCommand[] {
  const commands = readCommands(payload);
  if (typeof commands === 'string') assert(false, commands);
  return commands;
}

/** Whether the payload of a commands entry could be applied. Never throws: this is for entries that a peer sent. */
export function areCommands(payload: Uint8Array): boolean {
  return typeof readCommands(payload) !== 'string';
}

/** The commands, or which rule the payload breaks. */
function readCommands(payload: Uint8Array): OriginatedCommand[] | string {
  const bytes = asBuffer(payload);
  if (bytes[0] !== ENTRY_FORMAT) return `D4: a commands entry has format ${ENTRY_FORMAT}`;
  const commands: OriginatedCommand[] = [];
  for (let at = 1; at < bytes.length; ) {
    if (at + LENGTH_BYTES > bytes.length) return 'D1: a commands entry is whole';
    const end = at + LENGTH_BYTES + bytes.readUInt32BE(at);
    if (end > bytes.length) return 'D1: a commands entry is whole';
    const command = decodeCommand(bytes.subarray(at + LENGTH_BYTES, end));
    if (command instanceof MalformedCommand) return `D1: every command of an entry can be read: ${command.message}`;
    commands.push(command);
    at = end;
  }
  return commands;
}

/** A member's published attributes, for its image record. */
export function encodeAttributes(name: string, clientUrls: readonly string[]): Uint8Array {
  return packed([name, ...clientUrls]);
}

/** Undefined if the bytes are not attributes. */
export function decodeAttributes(
  bytes: Uint8Array,
): { readonly name: string; readonly clientUrls: readonly string[] } | undefined {
  try {
    const [name, ...clientUrls] = readTexts(unpacked(bytes));
    return name === undefined ? undefined : { name, clientUrls };
  } catch {
    return undefined;
  }
}

function packed(tuple: Tuple): Uint8Array {
  // Copied, as the packer's buffer is larger and lives as long as any slice of it.
  return Buffer.from(packr.pack(tuple));
}

function unpacked(bytes: Uint8Array): unknown {
  if (!isWellFormed(bytes)) throw new MalformedCommand('not one tuple of known forms');
  return packr.unpack(bytes);
}

/** A number that is not negative, as msgpackr writes it, and where it ends. */
function peekWhole(bytes: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return { value: first, end: at + 1 };
  const width = first === 0xcc ? 1 : first === 0xcd ? 2 : first === 0xce ? 4 : first === 0xcb ? 8 : 0;
  if (width === 0 || at + 1 + width > bytes.length) return undefined;
  const value = width === 8 ? bytes.readDoubleBE(at + 1) : bytes.readUIntBE(at + 1, width);
  return Number.isSafeInteger(value) && value >= 0 ? { value, end: at + 1 + width } : undefined;
}
