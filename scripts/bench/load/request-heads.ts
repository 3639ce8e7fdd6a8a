/**
 * The header blocks of gRPC requests, made ahead. As a real client's encoder does, each field goes into the connection's table when
 * it is first sent and is one byte from then on. Owns no socket.
 */

/** Indices of RFC 7541's static table. */
const methodPost = 3;
const schemeHttp = 6;
const names: ReadonlyMap<string, number> = new Map([
  [':authority', 1],
  [':path', 4],
  ['content-type', 31],
  ['user-agent', 58],
]);
const dynamicFrom = 62;

/** One connection's. */
export class RequestHeads {
  readonly #common: readonly (readonly [name: string, value: string])[];
  /** What the other side's table holds, in the order it got there. */
  readonly #inserted: string[] = [];
  readonly #blocks = new Map<string, Buffer>();

  constructor(authority: string) {
    this.#common = [
      [':authority', authority],
      ['content-type', 'application/grpc'],
      ['user-agent', 'leasehold-bench'],
      ['te', 'trailers'],
    ];
  }

  /** The block to send now: it must be sent, and in the order of the calls. */
  next(path: string): Buffer {
    const known = this.#blocks.get(path);
    if (known !== undefined) return known;
    const fields = [[':path', path] as const, ...this.#common];
    const isNew = fields.map(([name, value]) => !this.#inserted.includes(`${name}: ${value}`));
    // Every index moves when something is put in front.
    this.#blocks.clear();
    const bytes: number[] = [0x80 | methodPost, 0x80 | schemeHttp];
    for (const [name, value] of fields) this.#append(bytes, name, value);
    if (!isNew.includes(true)) this.#blocks.set(path, Buffer.from(bytes));
    return Buffer.from(bytes);
  }

  #append(bytes: number[], name: string, value: string): void {
    const field = `${name}: ${value}`;
    const at = this.#inserted.indexOf(field);
    if (at >= 0) {
      bytes.push(0x80 | (dynamicFrom + this.#inserted.length - 1 - at));
      return;
    }
    this.#inserted.push(field);
    const index = names.get(name) ?? 0;
    bytes.push(0x40 | index);
    for (const text of index === 0 ? [name, value] : [value]) bytes.push(text.length, ...Buffer.from(text, 'latin1'));
  }
}
