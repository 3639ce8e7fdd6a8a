/**
 * A simulated run as a value: world, noise, faults and client operations with explicit parameters and times. Plain JSON, so that
 * it survives changes of code that have nothing to do with it. What is not in here (delays, ties, disk latencies, election
 * jitter) is drawn from streams forked by label from `seed`: taking one fault or operation out shifts nothing else.
 */
import { appendBytesMax } from '../../src/base/limits.ts';
import type { FaultKind } from './fault-kinds.ts';

export interface Schedule {
  readonly format: 1;
  /** Root of all noise streams. */
  readonly seed: bigint;
  readonly profile: string;
  /** 1, 3 or 5. */
  readonly members: number;
  readonly clients: number;
  /** Length of the safety phase; the liveness phase follows. */
  readonly faultsMs: number;
  readonly noise: Noise;
  /** Ascending by `atMs`. */
  readonly faults: readonly Fault[];
  /** Ascending by `atMs`. Those after `faultsMs` are the load of the liveness phase. */
  readonly ops: readonly Op[];
  /** Members (0-based) healed for the liveness phase, a quorum at least; the others stay dead or cut. */
  readonly core: readonly number[];
}

/** What goes on all the time. All zero: a calm world. */
export interface Noise {
  /** Of each message on each link, the chance to be lost, and to come twice. */
  readonly loss: number;
  readonly duplicate: number;
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Links keep the order of messages, as one TCP connection does. */
  readonly inOrder: boolean;
  readonly diskMsMin: number;
  readonly diskMsMax: number;
  /** How often a sync takes up to `diskSlowMsMax` instead. */
  readonly diskSlowChance: number;
  readonly diskSlowMsMax: number;
  /** Clock rates lie within 1 ± this; 1/500 is what is promised. */
  readonly clockRateOff: number;
  /** How rates change: 0 never, 1 in waves, 2 in steps. */
  readonly clockDrift: 0 | 1 | 2;
  /** Entries kept behind the image: small, so that slow members need a snapshot. */
  readonly logTailEntriesMax: number;
  /** Size of a log segment. */
  readonly segmentBytes: number;
  /** Entry payload bytes in one append: few, so that two logs may differ by more than one append brings. */
  readonly appendBytesMax: number;
}

/** Whom a fault strikes; roles are looked up when it strikes. */
export type Target =
  | { readonly member: number }
  | { readonly role: 'leader' }
  | { readonly role: 'follower'; readonly nth: number }
  | 'all';

export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  readonly target: Target;
  /** How long it lasts, or how long the member stays down; faults that wait for an event give up after it. */
  readonly forMs: number;
  /** What each kind takes is said in `fault-kinds.ts`. */
  readonly params: Readonly<Record<string, number>>;
}

/** One request of a client, sent at `atMs` to `member` (0-based). */
export interface Op {
  readonly atMs: number;
  /** 0-based. */
  readonly client: number;
  readonly member: number;
  readonly op: ClientOp;
}

/**
 * Leases are named by a slot of the workload's table, keys by number. A slot has an id of its own, which every grant with
 * `serverId` off uses again; a grant with it on puts the chosen id into the slot.
 */
export type ClientOp =
  | {
      readonly type: 'grant';
      readonly lease: number;
      readonly ttlMs: number;
      readonly serverId: boolean;
      readonly renewal: Renewal;
    }
  | { readonly type: 'keepAlive'; readonly lease: number }
  | { readonly type: 'timeToLive'; readonly lease: number }
  | { readonly type: 'revoke'; readonly lease: number }
  | (KeyPut & { readonly type: 'put' })
  | { readonly type: 'delete'; readonly key: number; readonly keyTo: number; readonly prevKv: boolean }
  | (KeyRange & { readonly type: 'range'; readonly serializable: boolean })
  | TxnOf
  /** Compacts so many revisions before the newest the client knows; below 0: in the future. */
  | { readonly type: 'compact'; readonly back: number }
  | {
      readonly type: 'watch';
      readonly key: number;
      readonly keyTo: number;
      /** First revision wanted, counted back from the newest the client knows; 0: from now on; below 0: in the future. */
      readonly back: number;
      readonly prevKv: boolean;
      readonly noPut: boolean;
      readonly noDelete: boolean;
      /** It reads this long after it was woken. */
      readonly slowMs: number;
      /** Every so often it goes to another member and resumes; 0: only when its connection breaks. */
      readonly moveMs: number;
      readonly forMs: number;
    }
  | {
      /** A client that wants a lock: a lease of its own, a key in the queue, the wait, the time it holds. */
      readonly type: 'lock';
      /** One number a client: names its own chance. */
      readonly session: number;
      readonly queue: number;
      readonly ttlMs: number;
      /** It renews so often, and then falls silent without knowing. */
      readonly renewals: number;
      /** How long it waits at one member before it goes on to the next. */
      readonly waitMs: number;
      readonly holdMs: number;
      /** While it holds, to the resource, to the cluster, and to its own key, in turn. */
      readonly writes: number;
      readonly leaves: 'leaves' | 'early' | 'revokes' | 'forgets';
    };

/** How the holder of a lease keeps it alive. */
export interface Renewal {
  /** 0: never. */
  readonly everyMs: number;
  /** It stops for good after so many. */
  readonly times: number;
  /** After every so many it falls silent for `pauseMs`, then goes on as if nothing had been; 0: never. */
  readonly pauseAfter: number;
  readonly pauseMs: number;
  /** Sends each renewal twice, the second time to another member. */
  readonly twice: boolean;
}

/** A put; `lease` -1: none. */
export interface KeyPut {
  readonly key: number;
  readonly lease: number;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

/** Keys from `key` up to, not including, `keyTo`; -1: that key alone. `back`: revisions before the newest known; 0: the newest. */
export interface KeyRange {
  readonly key: number;
  readonly keyTo: number;
  readonly back: number;
  readonly limit: number;
}

/** A compare against what the client knows of the key: `known` adds to the newest mod revision, version, … it has seen. */
export interface KeyCompare {
  readonly target: 'version' | 'create' | 'mod' | 'value' | 'lease';
  readonly result: 'equal' | 'greater' | 'less' | 'notEqual';
  readonly key: number;
  /** As in `KeyRange`: it must hold for each key. Of old schedules -1. */
  readonly keyTo?: number;
  readonly off: number;
}

export interface TxnOf {
  readonly type: 'txn';
  readonly compares: readonly KeyCompare[];
  readonly success: readonly TxnPart[];
  readonly failure: readonly TxnPart[];
}

export type TxnPart =
  | TxnOf
  | (KeyPut & { readonly type: 'put' })
  | { readonly type: 'delete'; readonly key: number; readonly keyTo: number; readonly prevKv: boolean }
  | (KeyRange & { readonly type: 'range' });

/** JSON, one fault or operation a line; `seed` is a string. */
export function encodeSchedule(schedule: Schedule): string {
  const { faults, ops, ...rest } = schedule;
  const lines = (items: readonly unknown[]): string =>
    items.length === 0 ? '[]' : `[\n${items.map((item) => `  ${JSON.stringify(item)}`).join(',\n')}\n]`;
  const head = JSON.stringify({ ...rest, seed: schedule.seed.toString() }, undefined, 1).slice(0, -2);
  return `${head},\n "faults": ${lines(faults)},\n "ops": ${lines(ops)}\n}\n`;
}

/** Undoes `encodeSchedule`. Throws on what is no schedule of this format. */
export function decodeSchedule(text: string): Schedule {
  const parsed = JSON.parse(text) as Omit<Schedule, 'seed'> & { readonly seed: string };
  if (parsed.format !== 1) throw new Error(`schedule format ${String(parsed.format)} is not known`);
  // Schedules from before appends of every size were drawn have the largest.
  const noise = { ...parsed.noise, appendBytesMax: parsed.noise.appendBytesMax ?? appendBytesMax };
  return { ...parsed, noise, seed: BigInt(parsed.seed) };
}
