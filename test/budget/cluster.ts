/**
 * Three counted members in one process, pumped by hand: in a round all that was sent arrives, all that was written is on disk, and then
 * each member that has something to do takes one turn. No time passes unless the test says so, so nothing beats, and the same work
 * is the same count on every machine, however slow.
 */
import { commitNoticeMsMax, gatherFreshMsMax } from '../../src/base/limits.ts';
import { plansOf } from '../../src/client/testing/member.ts';
import { lengthOf } from '../../src/rpc/framed-messages.ts';
import { MessageReader } from '../../src/rpc/grpc-frames.ts';
import type { BidiStream, CallContext, Incoming, Outgoing } from '../../src/rpc/transport.ts';
import { type Counters, noWork } from './counters.ts';
import { CountedMember } from './member.ts';

const electionRoundsMax = 1_000;
const roundsMax = 100_000;
/** Promises and what services put off to the next turn of the event loop are through after so many rounds without work. */
const idleRounds = 3;
const tickMs = 20;
/** An image is written at the latest when it is so old (base/limits.ts: a second). */
const imageMs = 1_200;
/** A turn takes no more at once for time that passed, and the rest for a stall. */
const stepMs = 200;

/** A stream at the member that serves it. */
export interface OpenStream {
  send(request: Uint8Array): void;
}

export class CountedCluster {
  readonly counters: Counters = noWork();
  readonly members: readonly CountedMember[];
  #nowMs = 0;

  readonly #ids: readonly bigint[];

  private constructor() {
    const plans = plansOf(3);
    this.members = plans.map((plan, n) => new CountedMember(plan, BigInt(n + 1), this.counters));
    this.#ids = plans.map(({ memberId }) => memberId);
  }
  /** Resolves when one of them is on duty. */
  static async start(): Promise<CountedCluster> {
    const cluster = new CountedCluster();
    for (let round = 0; round < electionRoundsMax; round++) {
      if (cluster.members.some(({ node }) => node.dutyTerm !== undefined)) break;
      cluster.#nowMs += tickMs;
      for (const member of cluster.members) member.tick();
      await cluster.settle();
    }
    await cluster.writeImages();
    return cluster;
  }

  get leader(): CountedMember {
    const leader = this.members.find(({ node }) => node.dutyTerm !== undefined);
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }

  get follower(): CountedMember {
    const { leader } = this;
    return this.members.find((member) => member !== leader) as CountedMember;
  }

  /** Pumps until nothing is left to do, and lets so much time pass that nobody waits for those who were answered before. */
  async settle(): Promise<void> {
    for (let round = 0, idle = 0; idle < idleRounds; round++) {
      if (round > roundsMax) throw new Error('work that does not end');
      await new Promise<void>((resolve) => setImmediate(resolve));
      for (const sent of this.members.flatMap((member) => member.takeSent()))
        this.members[this.#ids.indexOf(sent.to)]?.receive(sent.bytes);
      const turns = this.members.map((member) => member.turn(this.#nowMs));
      idle = turns.includes(true) ? 0 : idle + 1;
    }
    this.#nowMs += gatherFreshMsMax + 1;
  }

  /** Lets so much time pass that images are written; leases are to live longer. The turns that it takes are nobody's work. */
  async writeImages(): Promise<void> {
    const { turns } = this.counters;
    // What may wait a moment goes first, so that every member has applied all that its image is to hold.
    this.#nowMs += commitNoticeMsMax;
    for (const { node } of this.members) node.turn(this.#nowMs);
    await this.settle();
    for (let passedMs = 0; passedMs < imageMs; passedMs += stepMs) {
      this.#nowMs += stepMs;
      for (const { node } of this.members) node.turn(this.#nowMs);
    }
    await this.settle();
    this.counters.turns = turns;
  }

  /** Calls all of them at once, pumps, and returns the answers. */
  async unary(member: CountedMember, path: string, requests: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
    const method = member.table[path];
    if (method?.kind !== 'unary') throw new Error(`${path} is no unary call`);
    const answers = requests.map((request) => method.call(request, new Context()));
    const all = Promise.all(answers);
    // It is looked at below, when the pumping is over.
    all.catch(() => undefined);
    await this.settle();
    for (const answer of await all) {
      this.counters.writes++;
      this.#answered(answer);
    }
    return await all;
  }

  open(member: CountedMember, path: string, heard: (answer: Uint8Array) => void): OpenStream {
    const method = member.table[path];
    if (method?.kind !== 'bidi') throw new Error(`${path} is no stream`);
    const wrote = (answers: readonly Uint8Array[]): void => {
      this.counters.writes++;
      for (const answer of answers) {
        this.#answered(answer);
        heard(answer);
      }
    };
    return openStream(method.call, wrote);
  }

  #answered(answer: Uint8Array): void {
    this.counters.answers++;
    this.counters.answerBytes += answer.length;
  }
}

/** As transports have it: who does not ask for the signal does not pay for it. */
class Context implements CallContext {
  readonly peer = 'test';
  readonly metadata = { get: (): undefined => undefined };
  readonly timeoutMs = undefined;
  #abort: AbortController | undefined;

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }
}

/** `wrote` hears what one write brings. */
function openStream(call: BidiStream, wrote: (answers: readonly Uint8Array[]) => void): OpenStream {
  let sink: Parameters<Incoming['listen']>[0] | undefined;
  const incoming: Incoming = {
    listen: (given) => {
      sink = given;
    },
    pause: () => undefined,
    resume: () => undefined,
  };
  const outgoing: Outgoing = {
    write: (message) => {
      wrote([message]);
      return true;
    },
    writeFramed: (pieces) => {
      const answers: Uint8Array[] = [];
      const reader = new MessageReader(lengthOf(pieces), { message: (message) => answers.push(message) > 0 });
      for (const piece of pieces) reader.push(piece, 0, piece.length);
      wrote(answers);
      return true;
    },
    whenWritable: () => Promise.resolve(),
    end: () => undefined,
    fail: (error) => {
      throw error;
    },
  };
  call(incoming, outgoing, new Context());
  return { send: (request) => sink?.message(request) };
}
