/**
 * Commands as bytes (house §3): each is encoded once, where it is proposed, as a msgpack tuple, and these bytes go to the leader,
 * the log and apply. Byte-stable: the same command gives the same bytes with every version of this program (goldens in the
 * tests), as the log is hashed and replayed. What a client put into a command is brought into range when it is encoded, so that
 * nothing that was encoded can fail to decode on another member. Invariants: D1, D2.
 *
 *     command  [member u64, boot, seq, kind, …fields]
 *     entry    format u8, then for each command its length u32 and its bytes
 */
import { assert } from '../base/assert.ts';
import { asBuffer, longLivedBytes } from '../base/bytes.ts';
import { Cursor, Fields, MalformedCommand } from './codec-fields.ts';
import { readCommand, readTexts, writeCommand, writeTexts } from './codec-tuple.ts';
import { TupleWriter } from './codec-writer.ts';
import type { Origin, OriginatedCommand } from './command.ts';

/** First byte of a commands entry; raised when tuples change. */
export const ENTRY_FORMAT = 1;

const LENGTH_BYTES = 4;
/** Keeps a buffer of its own to write into, and nothing else from one call to the next. */
const writer = new TupleWriter();

/** A command's bytes. A private copy: nothing else refers to it. */
export function encodeCommand(command: OriginatedCommand): Uint8Array {
  writeCommand(writer.begin(), command);
  return writer.end();
}

/** Reads what `encodeCommand` wrote. Any other bytes give an error value; never throws. */
export function decodeCommand(encoded: Uint8Array): OriginatedCommand | MalformedCommand {
  try {
    return readCommand(new Cursor(encoded));
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
  // The log keeps it.
  const payload = longLivedBytes(size);
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
 * (`readCommands`), so a payload that cannot be read is our own fault.
 */
export function unpackCommands(payload: Uint8Array): OriginatedCommand[] {
  const commands = readCommands(payload);
  if (typeof commands === 'string') assert(false, commands);
  return commands;
}

/** The commands of an entry that a peer sent, or which rule its payload breaks. Never throws. */
export function readCommands(payload: Uint8Array): OriginatedCommand[] | string {
  const bytes = asBuffer(payload);
  if (bytes[0] !== ENTRY_FORMAT) return `D4: a commands entry has format ${ENTRY_FORMAT}`;
  const commands: OriginatedCommand[] = [];
  const cursor = new Cursor(bytes);
  for (let at = 1; at < bytes.length; ) {
    if (at + LENGTH_BYTES > bytes.length) return 'D1: a commands entry is whole';
    const end = at + LENGTH_BYTES + bytes.readUInt32BE(at);
    if (end > bytes.length) return 'D1: a commands entry is whole';
    cursor.at = at + LENGTH_BYTES;
    cursor.end = end;
    try {
      commands.push(readCommand(cursor));
    } catch (error) {
      return `D1: every command of an entry can be read: ${error instanceof Error ? error.message : String(error)}`;
    }
    at = end;
  }
  return commands;
}

/** A member's published attributes, for its image record. */
export function encodeAttributes(name: string, clientUrls: readonly string[]): Uint8Array {
  writeTexts(writer.begin(), [name, ...clientUrls]);
  return writer.end();
}

/** Undefined if the bytes are not attributes. */
export function decodeAttributes(
  bytes: Uint8Array,
): { readonly name: string; readonly clientUrls: readonly string[] } | undefined {
  try {
    const cursor = new Cursor(bytes);
    const [name, ...clientUrls] = readTexts(new Fields(cursor));
    cursor.finish();
    return name === undefined ? undefined : { name, clientUrls };
  } catch {
    return undefined;
  }
}

/** A number that is not negative, as `TupleWriter` writes it, and where it ends. */
function peekWhole(bytes: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return { value: first, end: at + 1 };
  const width = first === 0xcc ? 1 : first === 0xcd ? 2 : first === 0xce ? 4 : first === 0xcb ? 8 : 0;
  if (width === 0 || at + 1 + width > bytes.length) return undefined;
  const value = width === 8 ? bytes.readDoubleBE(at + 1) : bytes.readUIntBE(at + 1, width);
  return Number.isSafeInteger(value) && value >= 0 ? { value, end: at + 1 + width } : undefined;
}
