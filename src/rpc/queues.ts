/**
 * Calls that wait in the queue of a lock or an election (`watch/queue.ts`): in, wait, out. Owns what a call leaves behind: one
 * that ends without its turn takes its key with it, unless another call of this member has the same key. A lease that the
 * server granted for the call goes with it too. Keeps F3: after a wait the answer comes in the step that found the key first in
 * a state read through a barrier. A member that stops leaves the keys: their callers may ask another one and keep their place.
 */
import { byteString, compareBytes } from '../base/bytes.ts';
import { queueCallsMax, queueLeaveAttemptsMax } from '../base/limits.ts';
import { type Command, type LeaseId, NO_LEASE } from '../state/command.ts';
import {
  type Candidate,
  candidateKey,
  type Joined,
  joinCommand,
  joinedOf,
  leaveCommand,
  leaveUnknownCommand,
  proclaimCommand,
  QueueWait,
  queuePrefix,
} from '../watch/queue.ts';
import { rpcError, UnavailableError } from './errors.ts';
import { write } from './kv.ts';
import type { LeaseObserver } from './lease-wire.ts';
import type { Member, Patience } from './member.ts';
import type { CallContext } from './transport.ts';

/** TTL of a session that a call did not bring, as etcd's. Nobody renews it. */
const sessionTtlSeconds = 60;

export interface QueueRequest {
  readonly name: Uint8Array;
  /** NO_LEASE: the server grants one. */
  readonly lease: LeaseId;
  readonly value: Uint8Array;
  /** The lease may be in the queue already, with another value: whether that becomes `value`. */
  readonly proclaims: boolean;
  /** Size of the request as it came. */
  readonly bytes: number;
}

/** A turn that has come. */
export interface Turn {
  readonly key: Uint8Array;
  /** Create revision of the key. */
  readonly token: number;
  readonly lease: LeaseId;
  /** The store's revision when the key entered the queue, or was found in it. */
  readonly enteredAt: number;
  /** The store's revision at which it was found first. */
  readonly foundAt: number;
}

/** Calls of this member with one key. */
interface Sharers {
  calls: number;
  /** One of them has been told that it is first, so that the others' end takes nothing away. */
  answered: boolean;
}

export class Queues {
  readonly #member: Member;
  readonly #observer: LeaseObserver;
  readonly #callsMax: number;
  readonly #sharers = new Map<string, Sharers>();
  #calls = 0;

  constructor(member: Member, observer: LeaseObserver, callsMax = queueCallsMax) {
    this.#member = member;
    this.#observer = observer;
    this.#callsMax = callsMax;
  }

  /** Enters the queue and returns when it is the key's turn; 'gone': the key was deleted meanwhile, so it will never be. */
  async turn(request: QueueRequest, ctx: CallContext): Promise<Turn | 'gone'> {
    if (this.#calls >= this.#callsMax) throw rpcError('tooManyRequests');
    this.#calls++;
    try {
      if (request.lease !== NO_LEASE) return await this.#turn(request, ctx, (command) => this.#leave(command));
      return await this.#turnOfOwnSession(request, ctx);
    } finally {
      this.#calls--;
    }
  }

  /** A lease for a caller who brought none. */
  async grant(ctx: CallContext): Promise<LeaseId> {
    const { options } = this.#member;
    const ttlSeconds = Math.max(sessionTtlSeconds, options.minTtlSeconds);
    const command: Command = { type: 'grant', id: options.newLeaseId(), ttlMs: ttlSeconds * 1_000 };
    const { result } = await write(this.#member, command, 'grant', ctx, 0);
    this.#observer.leaseGranted(ttlSeconds);
    return result.id;
  }

  /** Nobody but this call has the lease: its end is the end of the key, whatever became of it. */
  async #turnOfOwnSession(request: QueueRequest, ctx: CallContext): Promise<Turn | 'gone'> {
    const lease = await this.grant(ctx);
    let turn: Turn | 'gone' = 'gone';
    try {
      turn = await this.#turn({ ...request, lease }, ctx, () => {});
      return turn;
    } finally {
      if (turn === 'gone') this.#leave({ type: 'revoke', id: lease });
    }
  }

  async #turn(request: QueueRequest, ctx: CallContext, leave: (command: Command) => void): Promise<Turn | 'gone'> {
    const { lease, value, proclaims } = request;
    const { joined, revision: enteredAt } = await this.#join(request, ctx, leave);
    const { candidate, created, first } = joined;
    const { key, createRevision } = candidate;
    const turn = { key, token: createRevision, lease, enteredAt };
    const sharers = this.#share(candidate);
    try {
      // A caller that has gone leaves what it made, and what it would have waited with; a key that was first before it stays.
      if (ctx.signal.aborted && (created || !first)) throw rpcError('callOver');
      if (proclaims && !created && compareBytes(joined.value, value) !== 0) {
        const done = await proclaim(this.#member, { key, createRevision, lease }, value, ctx, request.bytes);
        if (done === undefined) throw rpcError('electionNotLeader');
      }
      const foundAt = first ? enteredAt : await this.#wait(candidate, ctx);
      if (foundAt === undefined) return 'gone';
      sharers.answered = true;
      return { ...turn, foundAt };
    } catch (error) {
      if (sharers.calls === 1 && !sharers.answered) leave(leaveCommand(key, createRevision));
      throw error;
    } finally {
      this.#unshare(candidate, sharers);
    }
  }

  async #join(
    { name, lease, value, bytes }: QueueRequest,
    ctx: CallContext,
    leave: (command: Command) => void,
  ): Promise<{ readonly joined: Joined; readonly revision: number }> {
    const prefix = queuePrefix(name);
    const revisionBefore = this.#member.state.revision;
    try {
      const { result, revision } = await write(this.#member, joinCommand(prefix, lease, value), 'txn', ctx, bytes);
      return { joined: joinedOf(prefix, lease, result, revision), revision };
    } catch (error) {
      // It may still happen, or have happened: then the key is newer than what this member had applied.
      if (error instanceof UnavailableError) leave(leaveUnknownCommand(candidateKey(prefix, lease), revisionBefore));
      throw error;
    }
  }

  /** The revision at which the candidate was found first; undefined: its key is gone. */
  async #wait(candidate: Candidate, { signal }: CallContext): Promise<number | undefined> {
    const member = this.#member;
    let wake = (): void => {};
    const wait = new QueueWait(member.hub, candidate, () => wake());
    signal.addEventListener('abort', () => wake());
    let confirmed = false;
    try {
      for (;;) {
        if (signal.aborted) throw rpcError('callOver');
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const place = wait.look(member.state);
        if (place === 'gone') return undefined;
        if (place === 'tooManyWatchers') throw rpcError('tooManyWatchers');
        if (place === 'first' && confirmed) return member.state.revision;
        if (place === 'waits') await woken;
        confirmed = place === 'first' && (await this.#confirm(signal));
      }
    } finally {
      wait.end();
    }
  }

  /** A read barrier. False: nobody leads just now, or the answer was lost, and it should be asked again. */
  async #confirm(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#member.barrier({ timeoutMs: undefined, signal });
      return true;
    } catch (error) {
      if (!(error instanceof UnavailableError && (error.why === 'noLeader' || error.why === 'timedOut'))) throw error;
      // The member held it for a while already; others get the event loop all the same.
      await new Promise((resolve) => setImmediate(resolve));
      return false;
    }
  }

  #share(candidate: Candidate): Sharers {
    const name = sharedName(candidate);
    const sharers = this.#sharers.get(name) ?? { calls: 0, answered: false };
    sharers.calls++;
    this.#sharers.set(name, sharers);
    return sharers;
  }

  #unshare(candidate: Candidate, sharers: Sharers): void {
    if (--sharers.calls === 0) this.#sharers.delete(sharedName(candidate));
  }

  /** In the background, as nobody waits for it. Counts as a call until it is done, so that there is a limit. */
  #leave(command: Command): void {
    this.#calls++;
    const done = (): void => {
      this.#calls--;
    };
    leaveInTheEnd(this.#member, command).then(done, done);
  }
}

/** A new value for a key that was won: the revision, or undefined if the key is not there any more. */
export async function proclaim(
  member: Member,
  {
    key,
    createRevision,
    lease,
  }: { readonly key: Uint8Array; readonly createRevision: number; readonly lease: LeaseId },
  value: Uint8Array,
  ctx: CallContext,
  bytes: number,
): Promise<number | undefined> {
  const command = proclaimCommand(key, createRevision, value, lease);
  const { result, revision } = await write(member, command, 'txn', ctx, bytes);
  return result.succeeded ? revision : undefined;
}

/** A few attempts; if all fail, the lease ends the key. */
async function leaveInTheEnd(member: Member, command: Command): Promise<void> {
  const patience: Patience = { timeoutMs: undefined, signal: new AbortController().signal };
  for (let attempt = 1; attempt <= queueLeaveAttemptsMax; attempt++) {
    try {
      await member.propose(command, patience);
      return;
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      if (error.why === 'stopped') return;
      await new Promise<void>((resolve) => member.clock.after(member.options.electionTimeoutMs, resolve));
    }
  }
}

function sharedName({ key, createRevision }: Candidate): string {
  return `${createRevision} ${byteString(key)}`;
}
