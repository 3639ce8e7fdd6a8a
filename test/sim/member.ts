/**
 * One member as a process on a host: starts, takes turns, stalls, crashes at chosen points, and the ports that tie its node to
 * the world. What happens on the disks is `disks.ts`'s, on the way to others `network.ts`'s.
 */
import { Prng } from '../../src/base/prng.ts';
import type { Input } from '../../src/node/input.ts';
import { Node } from '../../src/node/node.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import type { Index, MemberId, WriteGroup } from '../../src/store/entry.ts';
import { asHost, type Host } from './ambient.ts';
import { Clock } from './clock.ts';
import { SimDisks } from './disks.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { DurableLog, Watched } from './observer.ts';
import { dropsLog, memberPorts } from './ports.ts';
import { type ResumeOrder, Standstill } from './standstill.ts';
import { Talk } from './talk.ts';
import { Traps } from './traps.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

export class SimMember implements Watched {
  readonly id: MemberId;
  /** 0-based. */
  readonly index: number;
  readonly name: string;
  readonly world: World;
  readonly clock: Clock;
  readonly disks: SimDisks;
  /** Of this process's own small delays. */
  readonly prng: Prng;
  /** Ids that this member chooses for leases. */
  readonly ids: Prng;
  readonly host: Host;
  readonly traps = new Traps();
  node: Node | undefined;
  /** Starts so far, never used twice. Not IDENTITY's boot, which an older copy of a directory uses again. */
  boot = 0;
  /** By start: what IDENTITY said. */
  readonly bootNumbers: number[] = [0];
  readonly bootTokens: number[] = [0];
  ruined = false;
  /** It is left dead for the liveness phase. */
  staysDown = false;
  /** Its disk is damaged and it has not found out yet, or it waits for another member's image. */
  suspect = false;
  /** Its last write group was damaged, which nobody can tell from a torn one. */
  mayForget = false;
  imageLost = false;
  readonly talk: Talk;
  /** Replies that the node owes to clients. */
  owed = 0;
  crashes = 0;
  installs = 0;
  /** Images under way to others, of which the node has not been told that they ended. */
  sending = 0;
  /** The image written last, if none was on its way to anybody when it returned: the log behind it is to go. */
  dropsLogBehind: Index | undefined;
  /** In the middle of a turn the process dies: nothing more leaves it. */
  dying = false;
  /** No sync ends before. */
  diskStalledUntilMs = 0;
  /** Syncs take up to this much longer. */
  diskSlowMs = 0;
  #arrived: (PeerMessage | Extract<Input, { type: 'linkLost' }>)[] = [];
  readonly #standstill: Standstill;
  #tickDue = false;
  #turnDue = false;
  #alarmSet = false;

  constructor(world: World, index: number, initial: WriteGroup) {
    this.world = world;
    this.index = index;
    this.id = BigInt(index + 1);
    this.name = `n${index + 1}`;
    const { seed, noise, members } = world.schedule;
    this.clock = new Clock(new Prng(seed, `clock ${this.name}`), noise);
    this.talk = new Talk(noise);
    this.#standstill = new Standstill(this.clock);
    this.prng = new Prng(seed, `member ${this.name}`);
    this.ids = new Prng(seed, `ids ${this.name}`);
    this.disks = new SimDisks(seed, index, members, initial, noise.segmentBytes);
    this.host = {
      chance: new Prng(seed, `chance ${this.name}`),
      monoMs: () => this.clock.monoMs(world.timeline.nowMs),
      wallMs: () => this.clock.wallMs(world.timeline.nowMs),
      after: (ms, step) => {
        const { boot } = this;
        world.timeline.after(this.clock.worldMsOf(ms), () => {
          if (this.boot === boot && this.node !== undefined) this.post(step);
        });
      },
    };
  }

  get durable(): DurableLog {
    return this.disks.certain;
  }

  get nowMs(): number {
    return this.world.timeline.nowMs;
  }

  get up(): boolean {
    return this.node !== undefined;
  }

  get paused(): boolean {
    return this.#standstill.stands;
  }

  // ── life and death ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts the process, if it is down and may. What its directory forbids ruins it for good. */
  start(): void {
    if (this.node !== undefined || this.ruined || this.staysDown) return;
    if (this.disks.gone && !this.world.mayStartEmpty(this)) return;
    const opened = this.disks.open();
    if (opened.type === 'refused') {
      if (!this.suspect)
        throw new Violation('S1', `${this.name} refuses to start, and nothing had damaged its disk: ${opened.why}`);
      this.ruin(opened.why);
      return;
    }
    if (opened.missing !== undefined && !this.mayForget)
      throw new Violation('R13', `${this.name} starts although its log is damaged: ${opened.missing}`);
    if (opened.imageDamage !== undefined && !this.suspect && !this.imageLost)
      throw new Violation(
        'D3',
        `the image of ${this.name}, which nothing damaged, is not believed: ${opened.imageDamage}`,
      );
    this.mayForget = false;
    this.boot++;
    this.bootNumbers.push(opened.boot);
    this.bootTokens.push(this.disks.token);
    this.suspect = false;
    this.imageLost = opened.raft.needsSnapshot;
    this.owed = 0;
    this.sending = 0;
    this.dropsLogBehind = undefined;
    const { world } = this;
    const { boot } = this;
    this.node = new Node(
      {
        member: this.id,
        boot: opened.boot,
        tickMs: world.tickMs,
        ticksPerRaftTick: world.ticksPerRaftTick,
        electionTicks: world.electionTicks,
        seed: new Prng(world.schedule.seed, `node ${this.name} ${boot}`).uint64(),
        quotaBytes: world.quotaBytes,
        logTrailingEntriesMax: world.schedule.noise.logTailEntriesMax,
        appendBytesMax: world.schedule.noise.appendBytesMax,
        observe: (entry, commands) => world.applied(entry, commands, this),
      },
      { raft: opened.raft, machine: opened.machine },
      memberPorts(this, boot),
    );
    world.trace?.(this.index, `starts, boot ${opened.boot}, applied ${opened.machine.appliedIndex}`);
    world.observer.booted(this);
    world.observer.restored(this);
    this.#scheduleTick(boot);
  }

  /** The process and its host go down: what is not synced may be lost. */
  crash(): void {
    if (this.node === undefined) return;
    const { world } = this;
    this.crashes++;
    world.timeline.mix(0x100 + this.index);
    world.trace?.(this.index, 'crashes');
    this.node = undefined;
    this.dying = false;
    this.#arrived = [];
    this.traps.forget();
    this.#standstill.end(this.nowMs);
    this.#turnDue = false;
    this.#tickDue = false;
    this.#alarmSet = false;
    this.disks.crash();
    world.observer.crashed(this);
    world.memberGone(this);
  }

  /** It refuses to run, and will not run again. */
  ruin(why: string): void {
    this.world.trace?.(this.index, `is ruined: ${why}`);
    this.crash();
    this.ruined = true;
  }

  /** Crashes and comes back after `downMs`. */
  restart(downMs: number): void {
    if (this.node === undefined) return;
    this.crash();
    this.world.timeline.after(downMs, () => this.start());
  }

  // ── stalls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The process stands still for a while. `frozen`: its clock stands still too, as on a suspended machine. */
  pause(durationMs: number, frozen: boolean, order: ResumeOrder = 1): void {
    if (this.node === undefined) return;
    const { timeline } = this.world;
    this.#standstill.begin(timeline.nowMs, durationMs, frozen, order);
    const { boot } = this;
    timeline.after(durationMs, () => {
      if (this.boot === boot && this.#standstill.isOver(timeline.nowMs)) this.resume();
    });
  }

  /** A pause ends. */
  resume(): void {
    if (!this.paused) return;
    const { boot } = this;
    const { held, order } = this.#standstill.end(this.nowMs);
    const ticked = this.#tickDue;
    this.#tickDue = false;
    if (ticked && order !== 2) this.node?.enqueue({ type: 'tick' });
    if ((ticked || this.#turnDue) && order === 0) this.#takeTurn();
    for (const step of held) if (this.node !== undefined && this.boot === boot) step();
    if (this.node === undefined || this.boot !== boot) return;
    if (ticked && order === 2) this.node.enqueue({ type: 'tick' });
    if (this.#turnDue) this.#takeTurn();
    if (ticked) this.#scheduleTick(boot);
  }

  // ── what reaches the process ─────────────────────────────────────────────────────────────────────────────────────────

  /** Something arrives: now, or when a pause is over, or never if it is down. */
  post(step: () => void): void {
    if (this.node === undefined) return;
    if (this.paused) this.#standstill.hold(step);
    else step();
  }

  enqueue(input: Input): void {
    if (this.node === undefined) return;
    if (this.paused) this.#standstill.hold(() => this.enqueue(input));
    else {
      if (input.type === 'linkLost') this.#arrived.push(input);
      this.node.enqueue(input);
    }
  }

  receive(message: PeerMessage): void {
    if (this.node === undefined) return;
    if (this.paused) this.#standstill.hold(() => this.receive(message));
    else {
      this.#arrived.push(message);
      this.node.enqueue({ type: 'message', message });
    }
  }

  /** After `delayMs`, if this start still runs by then. Not held back by pauses: disks go on. */
  later(boot: number, delayMs: number, step: () => void): void {
    this.world.timeline.after(delayMs, () => {
      if (this.node !== undefined && this.boot === boot) step();
    });
  }

  /** The node's wake port. */
  wake(boot: number): void {
    this.later(boot, this.prng.unit() * 0.1, () => {
      if (this.paused) this.#turnDue = true;
      else this.#takeTurn();
    });
  }

  /** The node's other wake port: by its own clock, as its ticks. */
  wakeIn(boot: number, delayMs: number): void {
    if (this.#alarmSet) return;
    this.#alarmSet = true;
    this.later(boot, this.clock.worldMsOf(delayMs), () => {
      this.#alarmSet = false;
      if (this.paused) this.#turnDue = true;
      else this.#takeTurn();
    });
  }

  #takeTurn(): void {
    const { node, world } = this;
    this.#turnDue = false;
    if (node === undefined || this.spring('crashBeforeTurn')) return;
    if (this.traps.hits('crashInTurn', this.nowMs)) this.dying = true;
    const arrived = this.#arrived;
    if (arrived.length > 0) this.#arrived = [];
    const afters = arrived.map((each) =>
      each.type === 'linkLost' ? world.observer.linkLost(each.member, this) : world.observer.stepping(each, this),
    );
    const { machine } = node;
    asHost(this.host, () => node.turn(this.host.monoMs()));
    if (node.machine !== machine) world.observer.restored(this);
    for (const after of afters) after?.();
    world.observer.turned(this);
    dropsLog(this);
    if (this.dying) {
      this.dying = false;
      this.traps.sprung('crashInTurn');
    } else this.spring('crashAfterTurn');
  }

  #scheduleTick(boot: number): void {
    this.later(boot, this.clock.worldMsOf(this.world.tickMs), () => {
      if (this.paused) {
        this.#tickDue = true;
        return;
      }
      this.talk.ticks(this.name);
      this.node?.enqueue({ type: 'tick' });
      this.#scheduleTick(boot);
    });
  }

  /** At the `nth` event of the kind from now on, within `withinMs`, `sprung` is called. */
  trap(point: FaultKind, nth: number, withinMs: number, sprung: () => void): void {
    if (this.node !== undefined) this.traps.lay(point, nth, this.nowMs + withinMs, sprung);
  }

  /** An event of this kind happens here. */
  spring(point: FaultKind): boolean {
    return this.traps.spring(point, this.nowMs);
  }
}
