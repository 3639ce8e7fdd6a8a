/**
 * The messages of the load as bytes (protobuf, with gRPC's five before them), made ahead where they can be; and as much reading as it
 * takes to see that an answer is one. Lease ids stay the bytes they came as.
 */

export const paths = {
  grant: '/etcdserverpb.Lease/LeaseGrant',
  revoke: '/etcdserverpb.Lease/LeaseRevoke',
  timeToLive: '/etcdserverpb.Lease/LeaseTimeToLive',
  keepAlive: '/etcdserverpb.Lease/LeaseKeepAlive',
  put: '/etcdserverpb.KV/Put',
  range: '/etcdserverpb.KV/Range',
  txn: '/etcdserverpb.KV/Txn',
  watch: '/etcdserverpb.Watch/Watch',
};

const varintType = 0;
const bytesType = 2;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const int = (field: number, value: number): Buffer => int64(field, varint(value));
const int64 = (field: number, value: Buffer): Buffer => Buffer.concat([varint(8 * field + varintType), value]);
const bytes = (field: number, value: Buffer): Buffer =>
  Buffer.concat([varint(8 * field + bytesType), varint(value.length), value]);

/** With gRPC's head before it. */
function framed(...parts: Buffer[]): Buffer {
  const head = Buffer.alloc(5);
  const message = Buffer.concat(parts);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const put = (key: Buffer, value: Buffer, lease?: Buffer): Buffer =>
  Buffer.concat([bytes(1, key), bytes(2, value), lease === undefined ? Buffer.alloc(0) : int64(3, lease)]);

export const requests = {
  grant: (ttlSeconds: number): Buffer => framed(int(1, ttlSeconds)),
  /** With an id of the caller's choice. */
  grantAs: (ttlSeconds: number, id: number): Buffer => framed(int(1, ttlSeconds), int(2, id)),
  revoke: (lease: Buffer): Buffer => framed(int64(1, lease)),
  timeToLive: (lease: Buffer): Buffer => framed(int64(1, lease), int(2, 1)),
  keepAlive: (lease: Buffer): Buffer => framed(int64(1, lease)),
  keepAliveAs: (id: number): Buffer => framed(int(1, id)),
  put: (key: Buffer, value: Buffer, lease?: Buffer): Buffer => framed(put(key, value, lease)),
  putAs: (key: Buffer, value: Buffer, id: number): Buffer => framed(put(key, value, varint(id))),
  range: (key: Buffer, serializable: boolean): Buffer =>
    framed(bytes(1, key), serializable ? int(7, 1) : Buffer.alloc(0)),
  /** A lock as etcd's clients take it: put the key on the lease if nobody has created it, else say who has it. */
  lock: (key: Buffer, value: Buffer, lease: Buffer): Buffer =>
    framed(
      bytes(1, Buffer.concat([int(2, 1), bytes(3, key), int(5, 0)])),
      bytes(2, bytes(2, put(key, value, lease))),
      bytes(3, bytes(1, bytes(1, key))),
    ),
  watch: (key: Buffer, rangeEnd: Buffer): Buffer =>
    framed(bytes(1, Buffer.concat([bytes(1, key), bytes(2, rangeEnd)]))),
};

/** Walks a message field by field; `from` and `to` are the ends of the field's bytes, or of its varint. */
export class Fields {
  #bytes: Buffer = Buffer.alloc(0);
  #next = 0;
  #end = 0;
  number = 0;
  from = 0;
  to = 0;

  over(message: Buffer, from: number, to: number): this {
    this.#bytes = message;
    this.#next = from;
    this.#end = to;
    return this;
  }

  next(): boolean {
    if (this.#next >= this.#end) return false;
    const tag = this.#varint();
    this.number = tag >>> 3;
    if ((tag & 7) === varintType) {
      this.from = this.#next;
      while ((this.#bytes[this.#next++] as number) >= 0x80);
    } else if ((tag & 7) === bytesType) {
      const length = this.#varint();
      this.from = this.#next;
      this.#next += length;
    } else throw new Error(`an answer with a field of type ${tag & 7}`);
    this.to = this.#next;
    return true;
  }

  /** Goes to the next field of that number. */
  find(number: number): boolean {
    while (this.next()) if (this.number === number) return true;
    return false;
  }

  /** The field's value, where that is a varint. */
  varint(): number {
    this.#next = this.from;
    return this.#varint();
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const octet = this.#bytes[this.#next++] as number;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
    }
  }
}

const walk = new Fields();
const inner = new Fields();
const innermost = new Fields();

/** The id in an answer to `grant`. */
export function grantedId(message: Buffer, from: number, to: number): Buffer | undefined {
  return walk.over(message, from, to).find(2) ? Buffer.from(message.subarray(walk.from, walk.to)) : undefined;
}

/** The term in an answer's header. */
export function termOf(message: Buffer): number {
  if (!walk.over(message, 0, message.length).find(1)) return 0;
  return inner.over(message, walk.from, walk.to).find(4) ? inner.varint() : 0;
}

/** The id in an answer to `keepAlive`, one that the caller chose. */
export function renewedId(message: Buffer, from: number, to: number): number {
  return walk.over(message, from, to).find(2) ? walk.varint() : 0;
}

/** Whether the lease of an answer to `keepAlive` or `timeToLive` has time left. */
export function hasTimeLeft(message: Buffer, from: number, to: number): boolean {
  // What is not 0 is sent, and -1 takes ten bytes.
  return walk.over(message, from, to).find(3) && walk.to - walk.from < 10;
}

/** Whether an answer to `range` has a key. */
export function hasKey(message: Buffer, from: number, to: number): boolean {
  return walk.over(message, from, to).find(2);
}

/** Whether an answer to `lock` says that the lock was taken. */
export function succeeded(message: Buffer, from: number, to: number): boolean {
  return walk.over(message, from, to).find(2);
}

/** Calls `seen` with the key of each delete; returns whether the response says that a watcher is there. */
export function deletedKeys(message: Buffer, from: number, to: number, seen: (key: string) => void): boolean {
  let created = false;
  walk.over(message, from, to);
  while (walk.next()) {
    if (walk.number === 3) created = true;
    // A put has no type, as 0 is not sent.
    if (walk.number !== 11 || !inner.over(message, walk.from, walk.to).find(1)) continue;
    if (!inner.find(2) || !innermost.over(message, inner.from, inner.to).find(1)) continue;
    seen(message.toString('latin1', innermost.from, innermost.to));
  }
  return created;
}

/** Calls `seen` with where the value of each put lies; returns whether the response says that a watcher is there. */
export function watched(message: Buffer, from: number, to: number, seen: (valueAt: number) => void): boolean {
  let created = false;
  walk.over(message, from, to);
  while (walk.next()) {
    if (walk.number === 3) created = true;
    if (walk.number !== 11 || !inner.over(message, walk.from, walk.to).find(2)) continue;
    if (innermost.over(message, inner.from, inner.to).find(5)) seen(innermost.from);
  }
  return created;
}
