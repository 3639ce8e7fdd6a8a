/**
 * What `hasleader: true` in a call's metadata asks for (etcd: v3rpc/interceptor.go): a unary call on a member that knows no
 * leader is refused at once, and so is a stream; an open stream ends with the same error after three election timeouts without.
 */
import { NO_MEMBER } from '../store/entry.ts';
import { rpcError } from './errors.ts';
import type { HostTimer } from './host-clock.ts';
import type { Member } from './member.ts';
import type { CallContext, Method, Outgoing, ServiceTable } from './transport.ts';

const metadataName = 'hasleader';
/** Looks in a row that found no leader, an election timeout apart, before streams are ended. */
const leaderlessLooksMax = 3;

/** The table with the guard in front of every method. */
export function guardLeader(table: ServiceTable, member: Member): ServiceTable {
  const watch = new LeaderWatch(member);
  return Object.fromEntries(Object.entries(table).map(([name, method]) => [name, guarded(method, watch)]));
}

function guarded(method: Method, watch: LeaderWatch): Method {
  const refuses = (ctx: CallContext): boolean => asksForLeader(ctx) && watch.leaderless;
  const admits = (outgoing: Outgoing, ctx: CallContext): boolean => {
    if (refuses(ctx)) outgoing.fail(rpcError('noLeader'));
    else if (asksForLeader(ctx)) watch.add(outgoing, ctx);
    else return true;
    return !refuses(ctx);
  };
  switch (method.kind) {
    case 'unary':
      return {
        kind: 'unary',
        call: (request, ctx) => (refuses(ctx) ? Promise.reject(rpcError('noLeader')) : method.call(request, ctx)),
      };
    case 'serverStream':
      return {
        kind: 'serverStream',
        call: (request, outgoing, ctx) => {
          if (admits(outgoing, ctx)) method.call(request, outgoing, ctx);
        },
      };
    case 'bidi':
      return {
        kind: 'bidi',
        call: (incoming, outgoing, ctx) => {
          if (admits(outgoing, ctx)) method.call(incoming, outgoing, ctx);
        },
      };
  }
}

function asksForLeader(ctx: CallContext): boolean {
  return ctx.metadata.get(metadataName) === 'true';
}

/** The open streams that want a leader; looks for one only while there are any. */
class LeaderWatch {
  readonly #member: Member;
  readonly #streams = new Set<Outgoing>();
  #timer: HostTimer | undefined;
  #leaderlessLooks = 0;

  constructor(member: Member) {
    this.#member = member;
  }

  get leaderless(): boolean {
    return this.#member.status().leader === NO_MEMBER;
  }

  add(outgoing: Outgoing, ctx: CallContext): void {
    this.#streams.add(outgoing);
    ctx.signal.addEventListener('abort', () => {
      this.#streams.delete(outgoing);
      if (this.#streams.size === 0) this.#rest();
    });
    if (this.#timer !== undefined) return;
    this.#leaderlessLooks = 0;
    this.#timer = this.#member.clock.every(this.#member.options.electionTimeoutMs, () => this.#look());
  }

  #look(): void {
    this.#leaderlessLooks = this.leaderless ? this.#leaderlessLooks + 1 : 0;
    if (this.#leaderlessLooks < leaderlessLooksMax) return;
    for (const outgoing of [...this.#streams]) outgoing.fail(rpcError('noLeader'));
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
