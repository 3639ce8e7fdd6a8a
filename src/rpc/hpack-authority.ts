/**
 * Makes an `:authority` that is a whole URL legal, inside a still encoded HPACK block. etcdctl 3.4 dials one endpoint under its URL
 * ("http://127.0.0.1:2379"), grpc-go sends that as the authority, and nghttp2 in Node answers PROTOCOL_ERROR: a host has no slash.
 * Owns the walk over RFC 7541's representations and as much of its Huffman code as a URL needs; keeps no dynamic table. Every
 * byte keeps its place: '/' becomes '-', which is as long in either coding, so the decoder's table stays in step. For anything
 * that cannot be read it changes nothing: refusing is HTTP/2's.
 */

/** A part of the block. `end` is one past it. */
interface Span {
  readonly start: number;
  readonly end: number;
}

const authorityIndex = 1;
const authorityName = ':authority';
const slash = '/'.charCodeAt(0);
const dash = '-'.charCodeAt(0);
/** Octets of one integer after its first; lengths beyond 2^28 are no lengths. */
const integerOctetsMax = 4;

/** Rewrites the first literal `:authority` in `block` in place, if it names a scheme. Returns whether it changed anything. */
export function mendAuthority(block: Buffer): boolean {
  for (let at = 0; at < block.length; ) {
    const first = block[at] as number;
    // Indexed field; literal put into the table; size of the table; literal not put there (or never).
    const kind = first >= 0x80 ? 'indexed' : first >= 0x40 ? 'literal' : first >= 0x20 ? 'size' : 'literal';
    const head = readInteger(block, at, first >= 0x80 ? 7 : first >= 0x40 ? 6 : first >= 0x20 ? 5 : 4);
    if (head === undefined) return false;
    at = head.end;
    if (kind !== 'literal') continue;
    let isAuthority = head.value === authorityIndex;
    if (head.value === 0) {
      const name = readString(block, at);
      if (name === undefined) return false;
      // Python's grpcio spells it out.
      isAuthority = textOf(block, name) === authorityName;
      at = name.end;
    }
    const value = readString(block, at);
    if (value === undefined) return false;
    if (isAuthority) return value.coded ? mendCoded(block, value) : mendPlain(block, value);
    at = value.end;
  }
  return false;
}

/** RFC 7541 §5.1: an integer whose first octet has `prefixBits` for it. */
function readInteger(block: Buffer, at: number, prefixBits: number): { value: number; end: number } | undefined {
  const full = 2 ** prefixBits - 1;
  let value = (block[at] ?? 0) & full;
  let end = at + 1;
  if (value < full) return at < block.length ? { value, end } : undefined;
  for (let octets = 0; octets < integerOctetsMax; octets++) {
    const octet = block[end++];
    if (octet === undefined) return undefined;
    value += (octet & 0x7f) * 2 ** (7 * octets);
    if (octet < 0x80) return { value, end };
  }
  return undefined;
}

/** RFC 7541 §5.2: a string literal, `coded` by Huffman or not. */
function readString(block: Buffer, at: number): (Span & { readonly coded: boolean }) | undefined {
  const length = readInteger(block, at, 7);
  if (length === undefined || length.end + length.value > block.length) return undefined;
  return { start: length.end, end: length.end + length.value, coded: (block[at] as number) >= 0x80 };
}

function textOf(block: Buffer, span: Span & { readonly coded: boolean }): string | undefined {
  if (!span.coded) return block.toString('latin1', span.start, span.end);
  return decode(block, span)
    ?.map(({ symbol }) => symbol)
    .join('');
}

function mendPlain(block: Buffer, { start, end }: Span): boolean {
  const text = block.subarray(start, end);
  if (!text.includes('://')) return false;
  for (const [at, letter] of text.entries()) if (letter === slash) text[at] = dash;
  return true;
}

function mendCoded(block: Buffer, span: Span): boolean {
  const letters = decode(block, span);
  if (
    letters === undefined ||
    !letters
      .map(({ symbol }) => symbol)
      .join('')
      .includes('://')
  )
    return false;
  for (const { symbol, bit } of letters) {
    if (symbol !== '/') continue;
    // 011000 becomes 010110.
    for (let flip = bit + 2; flip <= bit + 4; flip++)
      block[flip >> 3] = (block[flip >> 3] as number) ^ (0x80 >> (flip & 7));
  }
  return true;
}

/**
 * RFC 7541 appendix B up to 14 bits: all of ASCII that can be printed but the backslash. The code is canonical: within a length, and
 * from one length to the next, codes count up in this order.
 */
const symbolsOfLength: readonly (readonly [bits: number, symbols: string])[] = [
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, '\0$@[]~'],
  [14, '^}'],
];

/** The letters of a Huffman coded string, and the bit of `block` each begins at; undefined if it has one with a longer code. */
function decode(block: Buffer, { start, end }: Span): readonly { symbol: string; bit: number }[] | undefined {
  const letters: { symbol: string; bit: number }[] = [];
  for (let bit = 8 * start; ; ) {
    let code = 0;
    let read = 0;
    // The first code of the length at hand.
    let firstCode = 0;
    let symbol: string | undefined;
    for (const [bits, symbols] of symbolsOfLength) {
      // What is left is shorter than a letter: padding.
      if (bit + bits > 8 * end) return letters;
      firstCode *= 2 ** (bits - read);
      for (; read < bits; read++) {
        const from = bit + read;
        code = 2 * code + (((block[from >> 3] as number) >> (7 - (from & 7))) & 1);
      }
      symbol = symbols[code - firstCode];
      if (symbol !== undefined) break;
      firstCode += symbols.length;
    }
    if (symbol === undefined) return undefined;
    letters.push({ symbol, bit });
    bit += read;
  }
}
