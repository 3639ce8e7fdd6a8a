/**
 * Finds where a JSON value ends, byte by byte as it arrives, and says what is wrong with it in the words of Go's
 * encoding/json (scanner.go), which are what etcd's clients see. Owns no bytes and makes no values: json-read.ts does, from a
 * text this scanner has passed, so that numbers keep every digit and what nobody asked for is never built.
 */
import { jsonDepthMax } from '../base/limits.ts';
import { quoteGoByte } from './go-quote.ts';

/** What `scan` came to: more bytes are needed, the value ends before index `end`, or there can be no value. */
export type Scanned =
  | { readonly type: 'more' }
  | { readonly type: 'value'; readonly end: number }
  | { readonly type: 'bad'; readonly reason: string };

const more: Scanned = { type: 'more' };

// States. Each is where Go's scanner would be in a function of that name.
const beginValue = 0;
const beginValueOrEmpty = 1;
const beginKeyOrEmpty = 2;
const beginKey = 3;
const afterValue = 4;
const inString = 5;
const inEscape = 6;
const inHex = 7;
const afterMinus = 8;
const afterZero = 9;
const inDigits = 10;
const afterPoint = 11;
const inFraction = 12;
const afterE = 13;
const afterESign = 14;
const inExponent = 15;
const inWord = 16;
const atEnd = 17;

// What is open around the place; the stack's entries.
const objectKey = 0;
const objectValue = 1;
const arrayValue = 2;

const quote = 0x22;
const backslash = 0x5c;

/** One value after the other: after `value` the same scanner starts over. */
export class JsonScanner {
  #state = beginValue;
  readonly #open: number[] = [];
  #word = '';
  #wordAt = 0;
  #hexLeft = 0;
  #started = false;
  /** The value ended with its own last byte: a brace or bracket. */
  #closed = false;
  #reason = '';

  /** Some of a value has been seen, be it only its first byte. */
  get started(): boolean {
    return this.#started;
  }

  /** Reads on from `from`. After `bad` it is not called again. */
  scan(bytes: Uint8Array, from = 0): Scanned {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      // Nearly all bytes of a large body are those of a long string.
      if (this.#state === inString && byte >= 0x20 && byte !== quote && byte !== backslash) continue;
      this.#step(byte);
      if (this.#reason !== '') return { type: 'bad', reason: this.#reason };
      // A number or a word ends only where something else begins; a composite ends with its own last byte.
      if (this.#state === atEnd) return this.#ended(this.#closed ? at + 1 : at);
      if (this.#open.length === 0 && this.#state === afterValue && byte === quote) return this.#ended(at + 1);
    }
    return more;
  }

  /** No more bytes come. `value` has no `end` of its own here: it is where the bytes ended. */
  finish(length: number): Scanned {
    this.#step(0x20);
    if (this.#state === atEnd && this.#reason === '') return this.#ended(length);
    return { type: 'bad', reason: this.#reason };
  }

  #ended(end: number): Scanned {
    this.#state = beginValue;
    this.#started = false;
    return { type: 'value', end };
  }

  #step(byte: number): void {
    switch (this.#state) {
      case beginValueOrEmpty:
        if (byte === 0x5d) this.#close(byte);
        else this.#begin(byte);
        break;
      case beginValue:
        this.#begin(byte);
        break;
      case beginKeyOrEmpty:
        if (byte === 0x7d) {
          this.#open[this.#open.length - 1] = objectValue;
          this.#close(byte);
        } else this.#beginKey(byte);
        break;
      case beginKey:
        this.#beginKey(byte);
        break;
      case afterValue:
        this.#close(byte);
        break;
      case inString:
        if (byte === quote) this.#state = afterValue;
        else if (byte === backslash) this.#state = inEscape;
        else if (byte < 0x20) this.#bad(byte, 'in string literal');
        break;
      case inEscape:
        if (byte === 0x75) {
          this.#state = inHex;
          this.#hexLeft = 4;
        } else if (escapable(byte)) this.#state = inString;
        else this.#bad(byte, 'in string escape code');
        break;
      case inHex:
        if (!isHex(byte)) this.#bad(byte, 'in \\u hexadecimal character escape');
        else if (--this.#hexLeft === 0) this.#state = inString;
        break;
      case inWord:
        this.#spell(byte);
        break;
      default:
        this.#number(byte);
    }
  }

  #begin(byte: number): void {
    if (isSpace(byte)) return;
    this.#started = true;
    this.#closed = false;
    switch (byte) {
      case 0x7b:
        this.#push(byte, objectKey, beginKeyOrEmpty);
        break;
      case 0x5b:
        this.#push(byte, arrayValue, beginValueOrEmpty);
        break;
      case quote:
        this.#state = inString;
        break;
      case 0x2d:
        this.#state = afterMinus;
        break;
      case 0x30:
        this.#state = afterZero;
        break;
      case 0x74:
        this.#startWord('true');
        break;
      case 0x66:
        this.#startWord('false');
        break;
      case 0x6e:
        this.#startWord('null');
        break;
      default:
        if (isDigit(byte)) this.#state = inDigits;
        else this.#bad(byte, 'looking for beginning of value');
    }
  }

  #beginKey(byte: number): void {
    if (byte === quote) this.#state = inString;
    else if (!isSpace(byte)) this.#bad(byte, 'looking for beginning of object key string');
  }

  #push(byte: number, what: number, state: number): void {
    this.#open.push(what);
    this.#state = state;
    if (this.#open.length > jsonDepthMax) this.#bad(byte, 'exceeded max depth');
  }

  /** A byte after a complete value or key. */
  #close(byte: number): void {
    const last = this.#open.length - 1;
    if (last < 0) {
      this.#state = atEnd;
      return;
    }
    this.#state = afterValue;
    if (isSpace(byte)) return;
    switch (this.#open[last]) {
      case objectKey:
        if (byte !== 0x3a) this.#bad(byte, 'after object key');
        this.#open[last] = objectValue;
        this.#state = beginValue;
        break;
      case objectValue:
        if (byte === 0x7d) this.#pop();
        else if (byte !== 0x2c) this.#bad(byte, 'after object key:value pair');
        else {
          this.#open[last] = objectKey;
          this.#state = beginKey;
        }
        break;
      default:
        if (byte === 0x5d) this.#pop();
        else if (byte !== 0x2c) this.#bad(byte, 'after array element');
        else this.#state = beginValue;
    }
  }

  #pop(): void {
    this.#open.pop();
    if (this.#open.length > 0) return;
    this.#closed = true;
    this.#state = atEnd;
  }

  #startWord(word: string): void {
    this.#word = word;
    this.#wordAt = 1;
    this.#state = inWord;
  }

  #spell(byte: number): void {
    const expected = this.#word[this.#wordAt] ?? '';
    if (byte !== expected.charCodeAt(0)) this.#bad(byte, `in literal ${this.#word} (expecting '${expected}')`);
    else if (++this.#wordAt === this.#word.length) this.#state = afterValue;
  }

  #number(byte: number): void {
    const digit = isDigit(byte);
    switch (this.#state) {
      case afterMinus:
        if (!digit) this.#bad(byte, 'in numeric literal');
        else this.#state = byte === 0x30 ? afterZero : inDigits;
        break;
      case afterPoint:
        if (!digit) this.#bad(byte, 'after decimal point in numeric literal');
        else this.#state = inFraction;
        break;
      case afterE:
        if (byte === 0x2b || byte === 0x2d) this.#state = afterESign;
        else if (!digit) this.#bad(byte, 'in exponent of numeric literal');
        else this.#state = inExponent;
        break;
      case afterESign:
        if (!digit) this.#bad(byte, 'in exponent of numeric literal');
        else this.#state = inExponent;
        break;
      default:
        if (digit && this.#state !== afterZero) return;
        if (byte === 0x2e && this.#state < afterPoint) this.#state = afterPoint;
        else if ((byte === 0x65 || byte === 0x45) && this.#state !== inExponent) this.#state = afterE;
        else this.#close(byte);
    }
  }

  #bad(byte: number, where: string): void {
    this.#reason = `invalid character ${quoteGoByte(byte)} ${where}`;
  }
}

/** Whether a whole text is one JSON value, as Go's `json.Unmarshal` asks first; undefined: it is. */
export function faultOf(text: Uint8Array): string | undefined {
  const scanner = new JsonScanner();
  let scanned = scanner.scan(text);
  if (scanned.type === 'more') {
    scanned = scanner.finish(text.length);
    return scanned.type === 'bad' ? scanned.reason || 'unexpected end of JSON input' : undefined;
  }
  if (scanned.type === 'bad') return scanned.reason;
  const trailing = text.subarray(scanned.end).find((byte) => !isSpace(byte));
  return trailing === undefined ? undefined : `invalid character ${quoteGoByte(trailing)} after top-level value`;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x61 && byte <= 0x66) || (byte >= 0x41 && byte <= 0x46);
}

/** b f n r t \ / " */
function escapable(byte: number): boolean {
  return [0x62, 0x66, 0x6e, 0x72, 0x74, backslash, 0x2f, quote].includes(byte);
}
