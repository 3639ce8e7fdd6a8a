/**
 * Clients as nodes of the world: calls that travel to a member and back over links of their own, each with a deadline after which
 * the client gives up. Owns the calls and what the edge of a member does with them (`rpc/kv.ts`, `rpc/lease.ts`); what is called,
 * and when, is `workload.ts`'s. Invariant: V3, every call ends, and every call that a living member took in is answered by it.
 */
import type { RenewalAnswer, Unavailable } from '../../src/node/answer.ts';
import { Asking, Askings } from '../../src/node/asking.ts';
import type { Node } from '../../src/node/node.ts';
import type { CallOutcome, CallRecord, CallResult, ClientCall, WatchRecord } from './history.ts';
import type { SimMember } from './member.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

/** What a client does with the end of its call. */
export type Then = (record: CallRecord) => void;

/** A call that its client still waits for. */
interface OpenCall {
  readonly record: CallRecord;
  readonly then: Then | undefined;
  /** The member's node has answered. */
  replied: boolean;
}

/** After its deadline a member's answer may still be on its way for this long. */
const slackMs = 500;

export class Clients {
  readonly calls: CallRecord[] = [];
  readonly watches: WatchRecord[] = [];
  readonly counts = new Map<CallOutcome, number>();
  /** The newest revision that any client was told. */
  newestRevision = 1;
  watchEvents = 0;
  open = 0;
  readonly #world: World;
  /** By member: calls under way there. */
  readonly #atMember: Set<OpenCall>[];
  /** By member: calls that its node owes a reply. */
  readonly #reached: Set<CallRecord>[];
  /** Told when a member's connections break. */
  readonly goneListeners = new Set<(member: SimMember) => void>();

  constructor(world: World) {
    this.#world = world;
    this.#atMember = world.members.map(() => new Set());
    this.#reached = world.members.map(() => new Set());
  }

  /** Client `client` asks `member`. The record is complete when `then` is called, at the latest a little after `timeoutMs`. */
  call(client: number, member: SimMember, call: ClientCall, timeoutMs: number, then?: Then): CallRecord {
    const world = this.#world;
    const record: CallRecord = {
      number: this.calls.length,
      client,
      member: member.index,
      call,
      sentMs: world.nowMs,
      receivedMs: undefined,
      endedMs: undefined,
      outcome: 'open',
      result: undefined,
    };
    this.calls.push(record);
    const open: OpenCall = { record, then, replied: false };
    this.#atMember[member.index]?.add(open);
    this.open++;
    world.observer.called(record);
    world.trace?.(-1, `c${client + 1} calls ${member.name}: #${record.number} ${callText(call)}`);
    const there = world.network.link(world.members.length + client, member.index);
    let arrived = false;
    world.network.carry(there, () => {
      // One request on one connection: TCP never hands it over twice.
      if (arrived) return;
      arrived = true;
      if (member.up) member.post(() => this.#arrive(member, open, timeoutMs));
      else this.#refuseConnection(member, open);
    });
    world.timeline.after(timeoutMs + slackMs, () => this.#end(open, undefined));
    return record;
  }

  /** Connections to it break: who waits learns so, and does not know what happened. */
  memberGone(member: SimMember): void {
    const { network, members, observer } = this.#world;
    const waiting = this.#atMember[member.index] as Set<OpenCall>;
    const reached = this.#reached[member.index] as Set<CallRecord>;
    for (const record of reached) observer.settled(record);
    reached.clear();
    for (const open of waiting) {
      const link = network.link(member.index, members.length + open.record.client);
      network.carry(link, () => this.#end(open, undefined));
    }
    for (const listener of this.goneListeners) listener(member);
  }

  /** Nobody listens there: the client knows that nothing was done. */
  #refuseConnection(member: SimMember, open: OpenCall): void {
    const { network, members } = this.#world;
    const back = network.link(member.index, members.length + open.record.client);
    network.carry(back, () => this.#end(open, undefined, 'notDone'));
  }

  /** The request is at the member. */
  #arrive(member: SimMember, open: OpenCall, timeoutMs: number): void {
    const { node, boot } = member;
    if (node === undefined) return;
    const { record } = open;
    record.receivedMs ??= this.#world.nowMs;
    const { call } = record;
    if (call.type === 'range' && call.serializable) {
      this.#answer(member, open, rangeResult(node, call));
      return;
    }
    member.owed++;
    this.#reached[member.index]?.add(record);
    this.#world.observer.reached(record);
    if (call.type === 'command')
      node.enqueue({
        type: 'propose',
        command: call.command,
        timeoutMs,
        reply: (answer) => this.#reply(member, boot, open, answer),
      });
    else if (call.type === 'range')
      node.enqueue({
        type: 'barrier',
        timeoutMs,
        reply: (answer) =>
          this.#reply(member, boot, open, answer.type === 'reached' ? rangeResult(node, call) : answer),
      });
    else {
      // The header is taken before the renewal, as in `rpc/keep-alive.ts`.
      const { revision } = node.machine;
      const answered = (answer: RenewalAnswer): void =>
        this.#reply(member, boot, open, answer.type === 'unavailable' ? answer : { type: 'lease', revision, answer });
      if (call.type === 'timeToLive')
        node.enqueue({ type: 'question', kind: call.type, id: call.id, timeoutMs, reply: answered });
      else {
        const askings = new Askings(timeoutMs);
        askings.add(new Asking(call.type, call.id, { answered: (_asking, answer) => answered(answer) }));
        node.enqueue(askings);
      }
    }
  }

  /** The node's answer, once a call: what a process says that dies in this turn, or is dead, nobody hears. */
  #reply(member: SimMember, boot: number, open: OpenCall, result: CallResult): void {
    if (open.replied) throw new Violation('V3', `call #${open.record.number} was answered twice`);
    open.replied = true;
    if (this.#reached[member.index]?.delete(open.record)) this.#world.observer.settled(open.record);
    if (member.boot !== boot) return;
    member.owed--;
    if (member.node !== undefined && !member.dying) this.#answer(member, open, result);
  }

  #answer(member: SimMember, open: OpenCall, result: CallResult): void {
    const { network, members } = this.#world;
    const back = network.link(member.index, members.length + open.record.client);
    network.carry(back, () => this.#end(open, result));
  }

  #end(open: OpenCall, result: CallResult | undefined, outcome = outcomeOf(result)): void {
    const { record, then } = open;
    if (record.outcome !== 'open') return;
    const world = this.#world;
    record.endedMs = world.nowMs;
    record.outcome = outcome;
    record.result = result;
    this.#atMember[record.member]?.delete(open);
    this.open--;
    this.counts.set(record.outcome, (this.counts.get(record.outcome) ?? 0) + 1);
    const revision = revisionOf(result);
    if (revision > this.newestRevision) this.newestRevision = revision;
    world.timeline.mix((record.number << 4) ^ record.outcome.length ^ (revision << 16));
    world.trace?.(-1, `c${record.client + 1} #${record.number} ends: ${record.outcome}${resultText(result)}`);
    world.observer.answered(record);
    then?.(record);
  }
}

/** Read in the step in which the barrier was reached, as the server does. */
function rangeResult(node: Node, { range }: ClientCall & { readonly type: 'range' }): CallResult {
  const { machine } = node;
  const result = machine.range(range);
  return result.type === 'refused'
    ? { type: 'rangeRefused', revision: machine.revision, refusal: result.refusal }
    : { type: 'range', revision: machine.revision, result };
}

/** The revision in an answer's header; 0 where there is none. */
export function revisionOf(result: CallResult | undefined): number {
  if (result === undefined || result.type === 'unavailable') return 0;
  return result.type === 'outcome' ? result.outcome.revision : result.revision;
}

function outcomeOf(result: CallResult | undefined): CallOutcome {
  if (result === undefined) return 'unknown';
  switch (result.type) {
    case 'outcome':
      return result.outcome.ok ? 'ok' : 'refused';
    case 'rangeRefused':
      return 'refused';
    case 'unavailable':
      return didNotHappen(result.why) ? 'notDone' : 'unknown';
    default:
      return 'ok';
  }
}

function didNotHappen(why: Unavailable): boolean {
  return why === 'noLeader' || why === 'overloaded' || why === 'noSpace';
}

function callText(call: ClientCall): string {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  if (call.type === 'range') return `range ${text(call.range.key)} rev ${call.range.revision}`;
  if (call.type !== 'command') return `${call.type} ${call.id}`;
  const { command } = call;
  if (command.type === 'grant') return `grant ${command.id} ${command.ttlMs} ms`;
  if (command.type === 'revoke') return `revoke ${command.id}`;
  if (command.type === 'put') return `put ${text(command.key)}=${text(command.value)} lease ${command.lease}`;
  if (command.type === 'compact') return `compact ${command.revision}`;
  return command.type === 'txn' ? 'txn' : `delete ${text(command.key)}`;
}

function resultText(result: CallResult | undefined): string {
  if (result === undefined) return '';
  if (result.type === 'unavailable') return ` (${result.why})`;
  if (result.type === 'lease') return ` ${result.answer.type}`;
  return ` at ${revisionOf(result)}`;
}
