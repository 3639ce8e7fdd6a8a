/**
 * Reads the values of a tuple, each checked for its type. Owns the checks, not the meaning of any field.
 */

/** Fields in their order: numbers, bigints, bytes, texts, and tuples of them. */
export type Tuple = readonly unknown[];

/** Bytes that are not a command. A value at the edge, where they came from a peer. */
export class MalformedCommand extends Error {
  override readonly name = 'MalformedCommand';
}

/** Takes the values of a tuple one by one, each checked for its type. */
export class Fields {
  readonly #values: Tuple;
  #at = 0;

  constructor(tuple: unknown) {
    if (!Array.isArray(tuple)) throw new MalformedCommand('a tuple is expected');
    this.#values = tuple;
  }

  next(): unknown {
    if (this.#at >= this.#values.length) throw new MalformedCommand('a field is missing');
    return this.#values[this.#at++];
  }

  /** All values must have been taken. */
  end(): void {
    if (this.#at < this.#values.length) throw new MalformedCommand('a field too many');
  }

  /** Takes groups of values until none is left. */
  rest<T>(take: (fields: Fields) => T): T[] {
    const taken: T[] = [];
    while (this.#at < this.#values.length) taken.push(take(this));
    return taken;
  }

  /** A safe integer. */
  whole(): number {
    const value = this.next();
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new MalformedCommand('a number is expected');
    return value;
  }

  /** A safe integer, 0 or more. */
  count(): number {
    const value = this.whole();
    if (value < 0) throw new MalformedCommand('a count is expected');
    return value;
  }

  /** A flag set of so many bits. */
  flags(bits: number): number {
    const value = this.count();
    if (value >= 1 << bits) throw new MalformedCommand('unknown flags');
    return value;
  }

  bigint(): bigint {
    const value = this.next();
    if (typeof value !== 'bigint') throw new MalformedCommand('an id is expected');
    return value;
  }

  /** A bigint within uint64. */
  uint64(): bigint {
    const value = this.bigint();
    if (BigInt.asUintN(64, value) !== value) throw new MalformedCommand('a uint64 is expected');
    return value;
  }

  /** A bigint within int64. */
  int64(): bigint {
    const value = this.bigint();
    if (BigInt.asIntN(64, value) !== value) throw new MalformedCommand('an int64 is expected');
    return value;
  }

  bytes(): Uint8Array {
    const value = this.next();
    if (!(value instanceof Uint8Array)) throw new MalformedCommand('bytes are expected');
    return value;
  }

  text(): string {
    const value = this.next();
    if (typeof value !== 'string') throw new MalformedCommand('a text is expected');
    return value;
  }

  /** One of `choices`, by its place. */
  choice<T>(choices: readonly T[]): T {
    const chosen = choices[this.count()];
    if (chosen === undefined) throw new MalformedCommand('an unknown choice');
    return chosen;
  }

  /** A tuple of tuples. */
  list<T>(read: (fields: Fields) => T): T[] {
    return new Fields(this.next()).rest((fields) => {
      const inner = new Fields(fields.next());
      const item = read(inner);
      inner.end();
      return item;
    });
  }
}
