/**
 * Reads HPACK's header blocks (RFC 7541 §6) into fields. Owns the connection's table of fields; what a list of fields means is not
 * looked at here.
 */
import { HeaderField } from './header-field.ts';
import { HeaderTable } from './header-table.ts';
import { huffmanText } from './huffman.ts';
import { ConnectionFault, errorCodes } from './words.ts';

export interface FieldSink {
  field(field: HeaderField): void;
}

/** Octets of an integer after its first. A block has no number that needs more. */
const integerOctetsMax = 4;

export class HpackDecoder {
  readonly #table = new HeaderTable();
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Counts changes of the table: while it is the same, the same bytes are the same fields. */
  get version(): number {
    return this.#table.version;
  }

  /** Reads a whole block. Throws a `ConnectionFault`, as the table is in an unknown state then. */
  read(bytes: Uint8Array, from: number, to: number, sink: FieldSink): void {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    // The size of the table may change only ahead of all fields (§4.2).
    let first = true;
    while (this.#at < to) {
      const octet = bytes[this.#at] as number;
      if (octet >= 0x80) sink.field(this.#known(this.#integer(7)));
      else if (octet >= 0x40) {
        const field = this.#literal(6);
        this.#table.add(field);
        sink.field(field);
      } else if (octet < 0x20) sink.field(this.#literal(4));
      else {
        if (!first || !this.#table.resize(this.#integer(5))) throw broken();
        continue;
      }
      first = false;
    }
    this.#bytes = new Uint8Array(0);
  }

  #known(index: number): HeaderField {
    const field = this.#table.field(index);
    if (field === undefined) throw broken();
    return field;
  }

  #literal(prefixBits: number): HeaderField {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#known(index).name;
    return new HeaderField(name, this.#string());
  }

  /** §5.1: an integer whose first octet has `prefixBits` for it. */
  #integer(prefixBits: number): number {
    const full = (1 << prefixBits) - 1;
    let value = this.#octet() & full;
    if (value < full) return value;
    for (let octets = 0; octets < integerOctetsMax; octets++) {
      const octet = this.#octet();
      value += (octet & 0x7f) << (7 * octets);
      if (octet < 0x80) return value;
    }
    throw broken();
  }

  /** §5.2: text, in Huffman's code or plain; one character a byte. */
  #string(): string {
    const coded = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const from = this.#at;
    const to = from + length;
    if (to > this.#end) throw broken();
    this.#at = to;
    const text = coded ? huffmanText(this.#bytes, from, to) : plainText(this.#bytes, from, to);
    if (text === undefined) throw broken();
    return text;
  }

  #octet(): number {
    if (this.#at >= this.#end) throw broken();
    return this.#bytes[this.#at++] as number;
  }
}

function plainText(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1');
}

function broken(): ConnectionFault {
  return new ConnectionFault(errorCodes.compression, 'a header block cannot be read');
}
