/**
 * HPACK's Huffman code (RFC 7541 §5.2, appendix B), read four bits at a time. Owns the code, as the lengths of its words: it is canonical,
 * so that words of a length, and from one length to the next, count up in the order of their symbols.
 */

/** Symbols by the length of their words, in bits; 256 is the end-of-string mark, which may not occur. */
const symbolsOfLength: readonly (readonly [bits: number, symbols: readonly number[]])[] = [
  [5, [...Buffer.from('012aceiost')]],
  [6, [...Buffer.from(' %-./3456789=A_bdfghlmnpru')]],
  [7, [...Buffer.from(':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz')]],
  [8, [...Buffer.from('&*,;XZ')]],
  [10, [...Buffer.from('!"()?')]],
  [11, [...Buffer.from("'+|")]],
  [12, [...Buffer.from('#>')]],
  [13, [...Buffer.from('\0$@[]~')]],
  [14, [...Buffer.from('^}')]],
  [15, [...Buffer.from('<`{')]],
  [19, [92, 195, 208]],
  [20, [128, 130, 131, 162, 184, 194, 224, 226]],
  [21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]],
  [
    22,
    [
      129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198,
      228, 232, 233,
    ],
  ],
  [
    23,
    [
      1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182,
      183, 188, 191, 197, 231, 239,
    ],
  ],
  [24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]],
  [25, [199, 207, 234, 235]],
  [26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]],
  [27, [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254]],
  [
    28,
    [2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249],
  ],
  [30, [10, 13, 22, 256]],
];

const endOfString = 256;
/** A step: the next node in the low 9 bits, then the symbol it brings, then these marks. */
const symbolShift = 9;
const symbolMark = 1 << 18;
const wrongMark = 1 << 19;
/** Of a node: a string may end there, with the ones before it as padding, at most 7. */
const paddingBitsMax = 7;
/** The shortest word has 5 bits for 8 of text. */
const textBitsPerBit = 8 / 5;

interface Code {
  /** By 16 × node + the next four bits. */
  readonly steps: Readonly<Int32Array>;
  /** By node: 1 where a string may end. */
  readonly ends: Readonly<Uint8Array>;
}

const code: Code = buildCode();

/** The text, one character a byte; undefined: that is no Huffman coded string. */
export function huffmanText(bytes: Uint8Array, from: number, to: number): string | undefined {
  const text = Buffer.allocUnsafe(Math.ceil((to - from) * textBitsPerBit));
  const { steps, ends } = code;
  let length = 0;
  let node = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const step = steps[16 * node + ((byte >> shift) & 15)] as number;
      if ((step & symbolMark) !== 0) text[length++] = (step >> symbolShift) & 0xff;
      else if ((step & wrongMark) !== 0) return undefined;
      node = step & 0x1ff;
    }
  }
  return ends[node] === 1 ? text.toString('latin1', 0, length) : undefined;
}

/** The tree of the code, and from it every step of four bits. */
function buildCode(): Code {
  // Two children each: a node, or a symbol as its complement.
  const children: number[] = [0, 0];
  let word = 0;
  let bitsBefore = 0;
  for (const [bits, symbols] of symbolsOfLength) {
    word *= 2 ** (bits - bitsBefore);
    bitsBefore = bits;
    for (const symbol of symbols) plant(children, word++, bits, symbol);
  }
  const nodes = children.length / 2;
  const steps = new Int32Array(16 * nodes);
  for (let node = 0; node < nodes; node++)
    for (let four = 0; four < 16; four++) steps[16 * node + four] = stepOf(children, node, four);
  const ends = new Uint8Array(nodes);
  // Down the path of ones.
  for (let node = 0, depth = 0; depth <= paddingBitsMax; depth++) {
    ends[node] = 1;
    node = children[2 * node + 1] as number;
  }
  return { steps, ends };
}

/** Puts a symbol at the end of its word, with the nodes on the way. */
function plant(children: number[], word: number, bits: number, symbol: number): void {
  let node = 0;
  for (let bit = bits - 1; bit > 0; bit--) {
    const at = 2 * node + (Math.floor(word / 2 ** bit) & 1);
    if (children[at] === 0) {
      children[at] = children.length / 2;
      children.push(0, 0);
    }
    node = children[at] as number;
  }
  children[2 * node + (word & 1)] = ~symbol;
}

function stepOf(children: readonly number[], from: number, four: number): number {
  let node = from;
  let brought = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[2 * node + ((four >> bit) & 1)] as number;
    if (child >= 0) node = child;
    else if (~child === endOfString) return wrongMark;
    else {
      brought = symbolMark | (~child << symbolShift);
      node = 0;
    }
  }
  return brought | node;
}
