/** What a part needs before its load can run: leases, keys, and its requests as bytes. */
import type { Connection } from './connection.ts';
import type { Asked } from './loop.ts';
import { grantedId, hasKey, hasTimeLeft, paths, requests, succeeded } from './messages.ts';
import type { Told } from './meter.ts';
import type { Part } from './part.ts';
import { ClosedLoop } from './unary-loops.ts';

export interface Prepared extends Asked {
  /** Asked of stream number n of `keepAlive`. */
  readonly ofStream: (n: number) => Asked;
  /** Resolves when there is nothing left to ask for. */
  readonly spent: Promise<void>;
}

const ttlSeconds = 3_600;
const valueBytes = 256;
const keys = 1_000;
const leasesDefault = 1_000;
const prefillLanes = 128;

/** Makes leases and keys through these connections, and says what to ask for. */
export async function prepared(part: Part, connections: readonly Connection[], prefix: string): Promise<Prepared> {
  const value = Buffer.alloc(valueBytes, 'v');
  const key = (n: number): Buffer => Buffer.from(`${prefix}${String(n).padStart(8, '0')}`, 'latin1');
  const leases = part.kind === 'grant' || part.kind === 'watch' ? [] : await granted(part, connections);
  const withKeys = part.kind === 'timeToLive' || part.kind === 'revoke';
  if (withKeys) await callAll(connections, paths.put, (n) => requests.put(key(n), value, leases[n]), leases.length);
  if (part.kind.startsWith('range')) await callAll(connections, paths.put, (n) => requests.put(key(n), value), keys);

  const anything = (): boolean => true;
  const cycle = (path: string, made: readonly Buffer[], check: Asked['check'], from = 0, step = 1): Asked => {
    let n = from - step;
    const next = (): Buffer => {
      n += step;
      if (n >= made.length) n = from % made.length;
      return made[n] as Buffer;
    };
    return { path, next, check };
  };
  const always = (asked: Asked, ofStream = (): Asked => asked): Prepared => ({
    ...asked,
    ofStream,
    spent: new Promise(() => undefined),
  });
  const each = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
  switch (part.kind) {
    case 'grant':
      return always(cycle(paths.grant, [requests.grant(ttlSeconds)], hasGranted));
    case 'putLease': {
      const puts = each(Math.max(keys, leases.length), (n) => requests.put(key(n), value, leases[n % leases.length]));
      return always(cycle(paths.put, puts, anything));
    }
    case 'lock':
      return always(locks(prefix, value, leases));
    case 'revoke':
      return revokes(leases);
    case 'timeToLive':
      return always(cycle(paths.timeToLive, leases.map(requests.timeToLive), hasTimeLeft));
    case 'range':
    case 'rangeSerializable': {
      const made = each(keys, (n) => requests.range(key(n), part.kind === 'rangeSerializable'));
      return always(cycle(paths.range, made, hasKey));
    }
    case 'keepAlive':
    case 'keepAliveOnce': {
      const made = leases.map(requests.keepAlive);
      const of = (n: number): Asked => cycle(paths.keepAlive, made, hasTimeLeft, n % made.length, part.clients);
      return { ...always(cycle(paths.keepAlive, made, hasTimeLeft)), ofStream: of };
    }
    case 'watch':
      return always({ path: paths.watch, next: () => undefined, check: anything });
  }
}

const hasGranted: Asked['check'] = (message, from, to) => grantedId(message, from, to) !== undefined;

/** A new key each time, so that each lock is free. */
function locks(prefix: string, value: Buffer, leases: readonly Buffer[]): Asked {
  const name = `${prefix}lock/########`;
  const digits = 8;
  const made = leases.map((lease) => {
    const bytes = requests.lock(Buffer.from(name, 'latin1'), value, lease);
    const places: number[] = [];
    for (let at = bytes.indexOf('########'); at >= 0; at = bytes.indexOf('########', at + 1)) places.push(at);
    return { bytes, places };
  });
  let n = 0;
  const next = (): Buffer => {
    const { bytes, places } = made[n % made.length] as (typeof made)[number];
    const text = String(n++).padStart(digits, '0');
    for (const at of places) bytes.write(text, at, 'latin1');
    return bytes;
  };
  return { path: paths.txn, next, check: succeeded };
}

function revokes(leases: readonly Buffer[]): Prepared {
  let spend: () => void = () => undefined;
  const spent = new Promise<void>((resolve) => {
    spend = resolve;
  });
  let n = 0;
  const next = (): Buffer | undefined => {
    const lease = leases[n++];
    if (lease === undefined) spend();
    return lease === undefined ? undefined : requests.revoke(lease);
  };
  const asked: Asked = { path: paths.revoke, next, check: () => true };
  return { ...asked, ofStream: () => asked, spent };
}

async function granted(part: Part, connections: readonly Connection[]): Promise<readonly Buffer[]> {
  const leases: Buffer[] = [];
  const grant = requests.grant(ttlSeconds);
  await callAll(
    connections,
    paths.grant,
    () => grant,
    part.leases ?? leasesDefault,
    (message, from, to) => {
      const id = grantedId(message, from, to);
      if (id !== undefined) leases.push(id);
      return id !== undefined;
    },
  );
  return leases;
}

/** Makes `count` calls, many at a time; rejects if one fails. */
export async function callAll(
  connections: readonly Connection[],
  path: string,
  request: (n: number) => Buffer,
  count: number,
  check: Asked['check'] = () => true,
): Promise<void> {
  let n = 0;
  const problems: string[] = [];
  const told: Told = { done: () => undefined, failed: (text) => problems.push(text), errors: 0 };
  const next = (): Buffer | undefined => (n < count ? request(n++) : undefined);
  const loop = new ClosedLoop(told, connections, Math.min(count, prefillLanes), { path, next, check });
  loop.start();
  await loop.finished();
  if (problems.length > 0) throw new Error(`preparing for the load: ${problems[0]} (${problems.length} times)`);
}
