/**
 * Reads header blocks (HPACK, RFC 7541) as a client needs them: the status a gRPC answer ends with. Keeps the connection's dynamic
 * table in step whatever the server puts into it. Huffman codes of printable ASCII; other letters read as `?`.
 */

/** What a block says about the call. */
export interface Status {
  /** `grpc-status`; undefined in headers that come before messages. */
  code: number | undefined;
  message: string;
  /** `:status` of HTTP; undefined in trailers. */
  http: number | undefined;
}

interface Field {
  readonly name: string;
  readonly value: string;
}

const entryOverheadBytes = 32;

/** RFC 7541 appendix A, as far as its values or names matter to us: by index, from 1 on. */
const staticFields: readonly Field[] = Array.from({ length: 61 }, (_, at) => {
  const code = [200, 204, 206, 304, 400, 404, 500][at + 1 - 8];
  return code === undefined ? { name: '', value: '' } : { name: ':status', value: String(code) };
});

/** The connection's decoder; blocks must be read in the order they came. */
export class HpackReader {
  /** Newest first. */
  readonly #table: Field[] = [];
  #bytes = 0;
  #bytesMax = 4_096;
  #at = 0;

  /** The answer is the same object each time. */
  readonly status: Status = { code: undefined, message: '', http: undefined };

  /** Throws on a block that is none. */
  read(block: Buffer, from: number, to: number): Status {
    this.status.code = undefined;
    this.status.http = undefined;
    this.status.message = '';
    this.#at = from;
    while (this.#at < to) {
      const first = block[this.#at] as number;
      if (first >= 0x80) this.#note(this.#field(this.#integer(block, 0x7f)));
      else if (first >= 0x40) this.#insert(this.#note(this.#literal(block, 0x3f)));
      else if (first >= 0x20) this.#resize(this.#integer(block, 0x1f));
      else this.#note(this.#literal(block, 0x0f));
    }
    if (this.#at !== to) throw new Error('a header block that ends in the middle of a field');
    return this.status;
  }

  #note(field: Field): Field {
    if (field.name === 'grpc-status') this.status.code = Number(field.value);
    else if (field.name === 'grpc-message') this.status.message = field.value;
    else if (field.name === ':status') this.status.http = Number(field.value);
    return field;
  }

  #field(index: number): Field {
    const field = index > 61 ? this.#table[index - 62] : staticFields[index - 1];
    if (field === undefined) throw new Error(`a header block names field ${index}, which is not in the table`);
    return field;
  }

  #literal(block: Buffer, mask: number): Field {
    const index = this.#integer(block, mask);
    const name = index === 0 ? this.#string(block) : this.#field(index).name;
    return { name, value: this.#string(block) };
  }

  #insert(field: Field): void {
    this.#table.unshift(field);
    this.#bytes += sizeOf(field);
    this.#evict();
  }

  #resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#evict();
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax) {
      const oldest = this.#table.pop();
      if (oldest === undefined) break;
      this.#bytes -= sizeOf(oldest);
    }
  }

  #integer(block: Buffer, mask: number): number {
    let value = (block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let scale = 1; scale <= 0x80 ** 3; scale *= 0x80) {
      const octet = block[this.#at++] ?? 0;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
    }
    throw new Error('a header block with an integer that is too long');
  }

  #string(block: Buffer): string {
    const coded = (block[this.#at] as number) >= 0x80;
    const length = this.#integer(block, 0x7f);
    const from = this.#at;
    this.#at += length;
    return coded ? huffman(block, from, this.#at) : block.toString('latin1', from, this.#at);
  }
}

/** Names of the static table are not kept, so some entries count too little and stay too long: at the far end, where nobody asks. */
function sizeOf({ name, value }: Field): number {
  return name.length + value.length + entryOverheadBytes;
}

/** RFC 7541 appendix B up to 15 bits. The code is canonical: codes count up in this order, from one length to the next. */
const symbolsOfLength: ReadonlyMap<number, string> = new Map([
  [5, '012aceiost'],
  [6, ' %-./3456789=A_bdfghlmnpru'],
  [7, ':BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz'],
  [8, '&*,;XZ'],
  [10, '!"()?'],
  [11, "'+|"],
  [12, '#>'],
  [13, '\0$@[]~'],
  [14, '^}'],
  [15, '<`{'],
]);
const codeBitsMax = 30;

function huffman(block: Buffer, from: number, to: number): string {
  let text = '';
  let code = 0;
  let bits = 0;
  let firstCode = 0;
  for (let bit = 8 * from; bit < 8 * to; bit++) {
    code = 2 * code + (((block[bit >> 3] as number) >> (7 - (bit & 7))) & 1);
    bits++;
    firstCode *= 2;
    const symbols = symbolsOfLength.get(bits) ?? '';
    const symbol = symbols[code - firstCode];
    firstCode += symbols.length;
    if (symbol === undefined && bits < codeBitsMax) continue;
    text += symbol ?? '?';
    code = 0;
    bits = 0;
    firstCode = 0;
  }
  return text;
}
