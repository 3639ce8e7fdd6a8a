/**
 * The JSON values of a request's body, one after the other, as they arrive. Holds the bytes of one value at most, and counts
 * them against what all bodies together may hold; a body that breaks off gives its bytes back.
 */
import { JsonScanner, type Scanned } from './json-scan.ts';

/** `empty` and `refused` end it as `bad` does: no further value comes. */
export type NextValue =
  | { readonly type: 'more' }
  | { readonly type: 'value'; readonly json: Buffer }
  | { readonly type: 'bad'; readonly reason: string }
  | { readonly type: 'empty' }
  | { readonly type: 'refused'; readonly why: 'tooLong' | 'tooMany' };

/** Bytes that all bodies may hold together. */
export class BodyBudget {
  #left: number;

  constructor(bytesMax: number) {
    this.#left = bytesMax;
  }

  get left(): number {
    return this.#left;
  }

  /** False: it would be too much, and nothing was taken. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#left += bytes;
  }
}

export class JsonBody {
  readonly #budget: BodyBudget;
  readonly #valueBytesMax: number;
  readonly #scanner = new JsonScanner();
  /** Read by the scanner, part of a value that has not ended. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Not yet read by the scanner. */
  #unread: Buffer = Buffer.alloc(0);
  #over: NextValue | undefined;

  constructor(budget: BodyBudget, valueBytesMax: number) {
    this.#budget = budget;
    this.#valueBytesMax = valueBytesMax;
  }

  push(chunk: Buffer): void {
    if (this.#over !== undefined) return;
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
  }

  /** The next value of what has arrived; `ended`: nothing more will. */
  next(ended: boolean): NextValue {
    if (this.#over !== undefined) return this.#over;
    const chunk = this.#unread;
    const scanned = this.#scanner.scan(chunk);
    switch (scanned.type) {
      case 'value': {
        this.#unread = chunk.subarray(scanned.end);
        return this.#whole(chunk.subarray(0, scanned.end));
      }
      case 'bad':
        return this.#end({ type: 'bad', reason: scanned.reason });
      case 'more':
        this.#unread = Buffer.alloc(0);
        return ended ? this.#last(chunk) : this.#hold(chunk);
    }
  }

  /** Gives everything back; nothing comes after it. */
  close(): void {
    this.#end({ type: 'empty' });
  }

  #last(chunk: Buffer): NextValue {
    if (!this.#scanner.started) return this.#end({ type: 'empty' });
    const scanned: Scanned = this.#scanner.finish(chunk.length);
    // As Go's decoder: whatever is missing, the body has ended too early.
    return scanned.type === 'value' ? this.#whole(chunk) : this.#end({ type: 'bad', reason: 'unexpected EOF' });
  }

  #hold(chunk: Buffer): NextValue {
    // White space between values is nobody's.
    if (!this.#scanner.started || chunk.length === 0) return { type: 'more' };
    if (this.#heldBytes + chunk.length > this.#valueBytesMax) return this.#end({ type: 'refused', why: 'tooLong' });
    if (!this.#budget.take(chunk.length)) return this.#end({ type: 'refused', why: 'tooMany' });
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    return { type: 'more' };
  }

  #whole(last: Buffer): NextValue {
    if (this.#heldBytes + last.length > this.#valueBytesMax) return this.#end({ type: 'refused', why: 'tooLong' });
    const json = this.#held.length === 0 ? last : Buffer.concat([...this.#held, last]);
    this.#release();
    return { type: 'value', json };
  }

  #end(how: NextValue): NextValue {
    this.#over ??= how;
    this.#release();
    this.#unread = Buffer.alloc(0);
    return this.#over;
  }

  #release(): void {
    this.#budget.giveBack(this.#heldBytes);
    this.#held = [];
    this.#heldBytes = 0;
  }
}
