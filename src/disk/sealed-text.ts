/**
 * Sealed text: the form of our small files (IDENTITY, PEERS, OWNER). Lines of `name value`, a title with the format
 * number first and a CRC last, so that an operator can read them and a single changed byte is found (S2). Owns the form;
 * what the lines mean is the caller's. The CRC alone does not see a change of its own letters' case, so a text is
 * believed only if it is, byte for byte, what we would write for what it says.
 */
import { crc32 } from '../base/crc.ts';

/** One line: a name without blanks, and the rest. */
export type SealedLine = readonly [name: string, value: string];

/** What `openSealed` found: the lines, or why they cannot be believed. */
export type Opened =
  | { readonly type: 'lines'; readonly lines: readonly SealedLine[] }
  | { readonly type: 'format'; readonly format: number }
  | { readonly type: 'damaged'; readonly why: string };

/** The text for `lines` under a title (one word) and a format number. */
export function seal(title: string, format: number, lines: readonly SealedLine[]): string {
  const body = `leasehold ${title} format ${format}\n${lines.map(([name, value]) => `${name} ${value}\n`).join('')}`;
  return `${body}crc ${checksum(body)}\n`;
}

/** Reads what `seal` wrote. A newer format is told apart from damage, if its seal is whole. */
export function openSealed(title: string, format: number, bytes: Buffer): Opened {
  if (bytes.length === 0) return { type: 'damaged', why: 'the file is empty' };
  const text = bytes.toString('latin1');
  const end = text.lastIndexOf('crc ');
  if (end <= 0 || text !== `${text.slice(0, end)}crc ${checksum(text.slice(0, end))}\n`) {
    return { type: 'damaged', why: 'its checksum does not match' };
  }
  const rows = text.slice(0, end).split('\n').slice(0, -1);
  const head = /^leasehold (\S+) format (\d{1,9})$/.exec(rows[0] ?? '');
  if (head === null || head[1] !== title) return { type: 'damaged', why: `it is not a file of the kind "${title}"` };
  if (Number(head[2]) !== format) return { type: 'format', format: Number(head[2]) };
  const lines = rows.slice(1).map((row): SealedLine => {
    const blank = row.indexOf(' ');
    return blank < 0 ? [row, ''] : [row.slice(0, blank), row.slice(blank + 1)];
  });
  if (seal(title, format, lines) !== text) return { type: 'damaged', why: 'it is not in the form we write' };
  return { type: 'lines', lines };
}

/** Sixteen hexadecimal digits, the form of ids in files. */
export function idText(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16).padStart(16, '0');
}

/** The uint64 of sixteen hexadecimal digits, or undefined. */
export function idOfText(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[0-9a-f]{16}$/.test(text) ? BigInt(`0x${text}`) : undefined;
}

/** A count written in decimal (no sign, no leading zero, a safe integer), or undefined. */
export function countOfText(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const count = Number(text);
  return Number.isSafeInteger(count) ? count : undefined;
}

function checksum(body: string): string {
  return crc32(Buffer.from(body, 'latin1')).toString(16).padStart(8, '0');
}
