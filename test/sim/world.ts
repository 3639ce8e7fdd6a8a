/**
 * The world of a run: members that run the real node over in-memory disks, clients, and the links between all of them, in virtual
 * time. Built from a schedule; tests may also build one and do everything by hand. Owns who meets whom: the boots that members
 * remember of each other, as in `peer/handshake.ts`.
 */
import { Prng } from '../../src/base/prng.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import { initialLog, initialMembership } from '../../src/raft/membership.ts';
import type { AppliedCommand } from '../../src/state/outcome.ts';
import type { Entry, MemberId } from '../../src/store/entry.ts';
import { Clients } from './clients.ts';
import { Faults } from './faults.ts';
import { SimMember } from './member.ts';
import { type Link, Network } from './network.ts';
import type { Observer, RunContext } from './observer.ts';
import type { RunHooks } from './report.ts';
import { Resource } from './resource.ts';
import type { Schedule } from './schedule.ts';
import { Timeline } from './timeline.ts';
import type { TurnWait } from './turn-wait.ts';

/** A snapshot on its way. */
interface Stream {
  readonly from: number;
  readonly to: number;
  cut: boolean;
}

export class World {
  readonly tickMs = 50;
  readonly ticksPerRaftTick = 2;
  readonly electionTicks = 10;
  readonly schedule: Schedule;
  readonly timeline: Timeline;
  readonly network: Network;
  readonly observer: Observer;
  readonly members: SimMember[] = [];
  readonly clients: Clients;
  readonly faults: Faults;
  readonly streams = new Set<Stream>();
  readonly trace: ((member: number, text: string) => void) | undefined;
  /** No atlas: damage may fall anywhere. */
  readonly scorched: boolean;
  readonly quotaBytes: number;
  /** Clients go on; cleared when a run is to come to rest. */
  working = true;
  /** Clients that wait in a queue at a member. */
  readonly waits = new Set<TurnWait>();
  /** How often a client was told that it holds. */
  lockTurns = 0;
  /** The liveness phase has begun. */
  healed = false;
  /** Highest index applied anywhere, and leases that expired up to there. */
  appliedIndex = 0;
  expiries = 0;
  /** The newest revision that any member has applied. */
  newestRevision = 0;
  /** By queue: what its lock protects. */
  readonly resources = new Map<number, Resource>();

  constructor(schedule: Schedule, hooks: Required<Pick<RunHooks, 'observe'>> & RunHooks) {
    this.schedule = schedule;
    this.scorched = schedule.profile === 'scorched';
    this.quotaBytes = hooks.quotaBytes ?? 512 * 1024 * 1024;
    const { seed, members, clients, noise } = schedule;
    this.timeline = new Timeline(new Prng(seed, 'ties'));
    this.network = new Network(seed, members, clients, noise, this.timeline);
    const { trace } = hooks;
    if (trace !== undefined) this.trace = (member, text) => trace(this.timeline.nowMs, member, text);
    const listed = Array.from({ length: members }, (_, i) => ({
      id: BigInt(i + 1),
      name: `n${i + 1}`,
      peerUrls: [`http://n${i + 1}`],
    }));
    const log = initialLog(initialMembership('sim', listed).payload);
    for (let i = 0; i < members; i++) this.members.push(new SimMember(this, i, log));
    const context: RunContext = {
      seed,
      profile: schedule.profile,
      members: this.members,
      first: log.entries[0] as Entry,
      electionTimeoutMs: this.electionTimeoutMs,
      tickMs: this.tickMs,
      clocksInSpec: noise.clockRateOff <= 1 / 500,
      atlas: !this.scorched,
    };
    this.observer = hooks.observe(context);
    this.clients = new Clients(this);
    this.faults = new Faults(this);
    for (const member of this.members) member.start();
  }

  get electionTimeoutMs(): number {
    return this.electionTicks * this.ticksPerRaftTick * this.tickMs;
  }

  get ids(): MemberId[] {
    return this.members.map((member) => member.id);
  }

  get nowMs(): number {
    return this.timeline.nowMs;
  }

  /** The member that leads in the highest term, if any. */
  get leader(): SimMember | undefined {
    let found: SimMember | undefined;
    let term = 0;
    for (const member of this.members) {
      const raft = member.node?.raft;
      if (raft === undefined || raft.role !== 'leader' || raft.term <= term) continue;
      found = member;
      term = raft.term;
    }
    return found;
  }

  run(durationMs: number): void {
    this.timeline.runUntil(this.timeline.nowMs + durationMs);
  }

  /** Runs until `done`, at most `limitMs`. Returns whether it came true. */
  runUntil(done: () => boolean, limitMs: number): boolean {
    const end = this.timeline.nowMs + limitMs;
    while (!done()) {
      if (this.timeline.nowMs >= end) return false;
      this.run(10);
    }
    return true;
  }

  // ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  send(from: SimMember, to: SimMember, message: PeerMessage): void {
    from.talk.sent(message);
    const link = this.network.link(from.index, to.index);
    const { boot } = from;
    this.network.carry(link, () => {
      if (to.node === undefined || !this.meets(link, boot)) return;
      this.timeline.mix(messageMark(message) + to.index);
      this.trace?.(to.index, `gets ${describe(message)} from ${from.name}`);
      to.receive(message);
    });
  }

  /**
   * Whether the receiver takes what the sender sent in its start `boot`. At the first message between two starts each looks at
   * the other's boot, and remembers it: whoever is known with a newer one has an older copy of its directory, and must stop.
   */
  meets(link: Link, boot: number): boolean {
    const from = this.members[link.from] as SimMember;
    const to = this.members[link.to] as SimMember;
    if (link.bootFrom === boot && link.bootTo === to.boot) return true;
    // What is left in the pipe of a connection that both ends had made.
    if (boot < link.bootFrom) return link.bootTo === to.boot;
    if (this.#isOlder(to, from, boot)) {
      this.#refuse(to, from, boot);
      return false;
    }
    if (this.#isOlder(from, to, to.boot)) {
      this.#refuse(from, to, to.boot);
      return false;
    }
    link.bootFrom = boot;
    link.bootTo = to.boot;
    this.#note(to, from, boot);
    if (from.boot === boot) this.#note(from, to, to.boot);
    return true;
  }

  /** Whether a member that lost its whole directory may begin anew: whoever is known stays out (`peer/ask.ts`). */
  mayStartEmpty(member: SimMember): boolean {
    let silent = 0;
    for (const other of this.members) {
      if (other === member) continue;
      const heard =
        other.node !== undefined &&
        !this.network.isCut(member.index, other.index) &&
        !this.network.isCut(other.index, member.index);
      if (!heard) silent++;
      else if ((other.disks.seenBoots[member.index] as number) > 0) {
        member.ruin('its directory is empty, and others know it');
        return false;
      }
    }
    if (silent === 0) throw new Error('nobody remembers a member that ran');
    this.timeline.after(500, () => member.start());
    return false;
  }

  /** It went down: its peers and its clients notice, if their links let them. */
  memberGone(member: SimMember): void {
    for (const peer of this.members) {
      if (peer === member) continue;
      this.network.carry(this.network.link(member.index, peer.index), () =>
        peer.enqueue({ type: 'linkLost', member: member.id }),
      );
    }
    for (const wait of this.waits) if (wait.member === member) wait.forget();
    this.clients.memberGone(member);
  }

  applied(entry: Entry, commands: readonly AppliedCommand[], member: SimMember): void {
    this.timeline.mix((entry.index << 8) ^ entry.term ^ (member.index << 28));
    this.newestRevision = Math.max(this.newestRevision, member.node?.machine.revision ?? 0);
    if (entry.index > this.appliedIndex) {
      this.appliedIndex = entry.index;
      for (const { command, outcome } of commands)
        if (command.type === 'expire' && outcome.ok && outcome.result.type === 'done')
          this.expiries += outcome.result.touched;
    }
    if (this.trace !== undefined)
      this.trace(member.index, `applies ${entry.index}/${entry.term} ${commands.map(({ command }) => command.type)}`);
    this.observer.applied(entry, commands, member);
  }

  /** What the lock of `queue` protects. */
  resource(queue: number): Resource {
    const found = this.resources.get(queue) ?? new Resource();
    this.resources.set(queue, found);
    return found;
  }

  #isOlder(judge: SimMember, member: SimMember, boot: number): boolean {
    const seen = judge.disks.seenBoots[member.index] as number;
    const number = member.bootNumbers[boot] as number;
    if (number !== seen) return number < seen;
    return judge.disks.seenTokens[member.index] !== member.bootTokens[boot];
  }

  #note(who: SimMember, of: SimMember, boot: number): void {
    who.disks.seenBoots[of.index] = of.bootNumbers[boot] as number;
    who.disks.seenTokens[of.index] = of.bootTokens[boot] as number;
  }

  #refuse(judge: SimMember, member: SimMember, boot: number): void {
    if (this.network.isCut(judge.index, member.index)) return;
    this.timeline.after(1, () => {
      if (member.boot === boot && member.up) member.ruin(`${judge.name} knows a newer start of it`);
    });
  }
}

/** A number for the trace hash. */
function messageMark(message: PeerMessage): number {
  const kind = message.type.charCodeAt(0) * 31 + message.type.length;
  return (kind << 16) ^ (message.term << 4) ^ (message.type === 'append' ? message.prevIndex << 2 : 0);
}

function describe(message: PeerMessage): string {
  switch (message.type) {
    case 'append':
      return `append ${message.prevIndex}+${message.entries.length} commit ${message.commit} term ${message.term}`;
    case 'appendReply':
      return `${message.accepted ? 'accept' : 'reject'} ${message.match} term ${message.term}`;
    case 'vote':
    case 'preVote':
      return `${message.type} ${message.lastIndex}/${message.lastTerm} term ${message.term}`;
    case 'voteReply':
    case 'preVoteReply':
      return `${message.type} ${message.granted ? 'yes' : 'no'} term ${message.term}`;
    default:
      return `${message.type} term ${message.term}`;
  }
}
