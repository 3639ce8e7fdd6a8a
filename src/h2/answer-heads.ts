/**
 * The header blocks of answers, in HPACK (RFC 7541 §6). What every answer has is put into the client's table with the first one and is a
 * number from then on; all else is spelled out. Owns what the client's table holds of ours. Blocks must leave in the order in which they
 * are written.
 */
import type { FrameWriter } from './frame-writer.ts';
import { flags, frameTypes, headerTableBytesDefault } from './words.ts';

/** How a call ends: gRPC's code, and its text as it may stand in a header. */
export interface EndStatus {
  readonly code: number;
  readonly text: string;
}

const staticContentType = 31;
const staticStatus = 8;
const staticStatus200 = 0x80 | staticStatus;
/** Numbers of the fields that we put in, while the table holds this one, and while it holds all three. */
const dynamicFirst = 62;
/** First octets: a literal that goes into the table, one that does not, and the table's size. */
const literalKept = 0x40;
const literalOnly = 0x00;
const tableSizeZero = 0x20;
const plainLengthMax = 127;
const okStatus: EndStatus = { code: 0, text: '' };
const endsBlock = flags.endHeaders;
const endsBoth = flags.endHeaders | flags.endStream;

export class AnswerHeads {
  /** The client's table takes what we put in. */
  #keeps = true;
  /** The client's table must be told that we put nothing in. */
  #sizeOwed = false;
  #headKept = false;
  #statusKept = false;

  /** The client's table is to be of that size, from its next block on: unless it is as usual, it holds nothing of ours. */
  tableSize(bytes: number): void {
    if (bytes >= headerTableBytesDefault || !this.#keeps) return;
    this.#keeps = false;
    this.#sizeOwed = true;
  }

  /** The head of an answer with a body. */
  head(out: FrameWriter, stream: number): void {
    const at = this.#begin(out, stream, endsBlock);
    this.#answerHead(out);
    out.measured(at);
  }

  /** How a call ends that has had its head. */
  trailers(out: FrameWriter, stream: number, status: EndStatus): void {
    const at = this.#begin(out, stream, endsBoth);
    this.#status(out, status);
    out.measured(at);
  }

  /** A call that ends before any message: head and status in one. */
  headAndTrailers(out: FrameWriter, stream: number, status: EndStatus): void {
    const at = this.#begin(out, stream, endsBoth);
    this.#answerHead(out);
    this.#status(out, status);
    out.measured(at);
  }

  /** An answer that is nothing but an HTTP status. */
  httpStatus(out: FrameWriter, stream: number, status: number): void {
    const at = this.#begin(out, stream, endsBoth);
    out.byte(literalOnly | staticStatus);
    text(out, String(status));
    out.measured(at);
  }

  #begin(out: FrameWriter, stream: number, frameFlags: number): number {
    const at = out.length;
    out.head(0, frameTypes.headers, frameFlags, stream);
    if (this.#sizeOwed) out.byte(tableSizeZero);
    this.#sizeOwed = false;
    return at;
  }

  #answerHead(out: FrameWriter): void {
    out.byte(staticStatus200);
    if (this.#keeps && this.#headKept) {
      out.byte(0x80 | (this.#statusKept ? dynamicFirst + 2 : dynamicFirst));
      return;
    }
    if (this.#keeps) out.byte(literalKept | staticContentType);
    else {
      // An index of 4 bits, continued.
      out.byte(literalOnly | 15);
      out.byte(staticContentType - 15);
    }
    text(out, 'application/grpc');
    this.#headKept = true;
  }

  #status(out: FrameWriter, status: EndStatus): void {
    const plain = status.code === okStatus.code && status.text === okStatus.text;
    if (plain && this.#keeps && this.#headKept && this.#statusKept) {
      out.byte(0x80 | (dynamicFirst + 1));
      out.byte(0x80 | dynamicFirst);
      return;
    }
    const kept = plain && this.#keeps;
    this.#statusKept ||= kept;
    out.byte(kept ? literalKept : literalOnly);
    text(out, 'grpc-status');
    text(out, String(status.code));
    out.byte(kept ? literalKept : literalOnly);
    text(out, 'grpc-message');
    text(out, status.text);
  }
}

/** A string that is not coded. */
function text(out: FrameWriter, letters: string): void {
  let length = letters.length;
  if (length < plainLengthMax) out.byte(length);
  else {
    out.byte(plainLengthMax);
    for (length -= plainLengthMax; length >= 0x80; length >>>= 7) out.byte(0x80 | (length & 0x7f));
    out.byte(length);
  }
  for (let at = 0; at < letters.length; at++) out.byte(letters.charCodeAt(at));
}
