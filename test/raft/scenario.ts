/**
 * Scenarios: cores driven by text, one command a line, with what came of it below. `run` plays a file and returns it with the
 * output as it is now; a test compares the two. A member's election timeout is 10 + its number ticks; disks sync at once
 * unless held; messages wait until they are delivered. Commands: see `Scenario.#commands`.
 */

import { appendBytesMax } from '../../src/base/limits.ts';
import { initialLog, initialMembership } from '../../src/raft/membership.ts';
import type { Message, SnapshotHead } from '../../src/raft/message.ts';
import { Raft } from '../../src/raft/raft.ts';
import type { Ready } from '../../src/raft/ready.ts';
import type { Configuration } from '../../src/raft/types.ts';
import type { Entry, MemberId } from '../../src/store/entry.ts';
import { TwinDisk, type TwinImage } from './disk.ts';

interface Member {
  readonly id: MemberId;
  readonly disk: TwinDisk;
  raft: Raft | undefined;
  boot: number;
  holding: boolean;
  /** Role and term as last told. */
  told: string;
  /** Texts of what it applied. */
  applied: string[];
  wanted: MemberId[];
  installing: { readonly image: TwinImage } | undefined;
}

/** Plays the commands of `text`: lines that begin with `>`; comments (`#`) and empty lines stay, the rest is output. */
export function run(text: string): string {
  const scenario = new Scenario();
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('>')) lines.push(line, ...scenario.play(line.slice(1).trim()).map((out) => `    ${out}`));
    else if (line.startsWith('#') || line === '') lines.push(line);
  }
  return lines.join('\n');
}

class Scenario {
  #members: Member[] = [];
  #network: Message[] = [];
  #cut = new Set<string>();
  #stash = new Map<string, Message[]>();
  #out: string[] = [];
  #configuration: Configuration = { voters: [], learners: [] };

  play(line: string): string[] {
    this.#out = [];
    const [name = '', ...words] = line.split(/\s+/);
    const command = this.#commands[name];
    if (command === undefined) throw new Error(`no such command: ${line}`);
    command(words);
    return this.#out;
  }

  readonly #commands: Record<string, (words: string[]) => void> = {
    /** members 3: a new cluster, entry 1 in every log. */
    members: ([count]) => this.#found(Number(count)),
    /** tick 1 10: ticks of one member; `all` for every one, in turn. */
    tick: ([who, times]) => {
      for (let i = 0; i < Number(times ?? 1); i++) {
        for (const member of this.#who(who)) this.#do(member, (raft) => raft.tick());
      }
    },
    /** campaign 1: ticks until its election timeout has passed. */
    campaign: ([who]) => {
      for (const member of this.#who(who)) {
        const { term, role } = member.raft as Raft;
        for (let i = 0; i < 40 && member.raft?.term === term && member.raft.role === role; i++) {
          this.#do(member, (raft) => raft.tick());
        }
      }
    },
    /** elect 1: campaign and deliver until quiet. */
    elect: ([who]) => {
      this.#quietly(() => {
        this.#commands['campaign']?.([who as string]);
        this.#deliver(() => true);
      });
    },
    propose: ([who, text]) => {
      for (const member of this.#who(who)) {
        this.#do(member, (raft) => {
          const proposed = raft.propose('commands', payloadOf(text as string));
          this.#say(proposed.type === 'accepted' ? `accepted at ${proposed.index}/${proposed.term}` : proposed.type);
        });
      }
    },
    round: ([who]) => {
      for (const member of this.#who(who)) {
        this.#do(member, (raft) => this.#say(`ticket ${raft.requestRound() ?? 'none: no leader'}`));
      }
    },
    transfer: ([who, to]) => {
      for (const member of this.#who(who))
        this.#do(member, (raft) => this.#say(`${raft.transfer(BigInt(to as string))}`));
    },
    'lose-link': ([who, to]) => {
      for (const member of this.#who(who)) this.#do(member, (raft) => raft.linkLost(BigInt(to as string)));
    },
    /** deliver [1->2 | 1->* | *->2 | settle [n]]: messages that wait, and what they cause on the same way; without words: all, until quiet. */
    deliver: ([way, count]) => this.#deliver(way === undefined ? () => true : onWay(way), Number(count ?? 1000)),
    drop: ([way]) => {
      const lost = this.#network.filter(onWay(way as string));
      this.#network = this.#network.filter((message) => !lost.includes(message));
      for (const message of lost) this.#say(`lost ${textOf(message)}`);
    },
    /** cut 1->2, cut 1 (both ways): messages sent from now on are lost. */
    cut: ([way]) => {
      const on = onWay(way as string);
      for (const from of this.#members) {
        for (const to of this.#members) if (on({ from: from.id, to: to.id })) this.#cut.add(`${from.id}->${to.id}`);
      }
    },
    heal: () => this.#cut.clear(),
    /** copy 1->2 name: keeps a copy of what waits; inject name: puts it on the network, perhaps long after. */
    copy: ([way, name]) => this.#stash.set(name as string, this.#network.filter(onWay(way as string))),
    inject: ([name]) => {
      for (const message of this.#stash.get(name as string) ?? []) {
        this.#network.push(message);
        this.#say(`again ${textOf(message)}`);
      }
    },
    reverse: ([way]) => {
      const on = onWay(way as string);
      const turned = this.#network.filter(on).reverse();
      this.#network = [...this.#network.filter((message) => !on(message)), ...turned];
    },
    'hold-persist': ([who]) => {
      for (const member of this.#who(who)) member.holding = true;
    },
    /** The write under way is synced; later ones are held again. */
    persist: ([who]) => {
      for (const member of this.#who(who)) this.#sync(member);
    },
    release: ([who]) => {
      for (const member of this.#who(who)) {
        member.holding = false;
        if (member.disk.pending !== undefined) this.#sync(member);
      }
    },
    crash: ([who]) => {
      for (const member of this.#who(who)) {
        member.raft = undefined;
        member.disk.crash();
        member.wanted = [];
      }
    },
    restart: ([who]) => {
      for (const member of this.#who(who)) {
        member.raft = undefined;
        member.disk.crash();
        member.holding = false;
        this.#start(member);
      }
    },
    /** image 1: what it applied goes to its image; compact 1 5: the log up to 5 goes. */
    image: ([who]) => {
      for (const member of this.#who(who)) this.#saveImage(member);
    },
    compact: ([who, index]) => {
      for (const member of this.#who(who)) {
        member.raft?.compact(Number(index));
        member.disk.dropUpTo(Number(index));
      }
    },
    'lose-image': ([who]) => {
      for (const member of this.#who(who)) member.disk.image = undefined;
    },
    /** snapshot 1 3: the stream that 1 was asked to send to 3 arrives; `fail`: it does not. */
    snapshot: ([who, to, how]) =>
      this.#snapshot(this.#who(who)[0] as Member, this.#who(to)[0] as Member, how !== 'fail'),
    /** installed 3: image and log are on disk. */
    installed: ([who]) => {
      for (const member of this.#who(who)) {
        const { image } = member.installing as { image: TwinImage };
        member.installing = undefined;
        this.#do(member, (raft) => {
          raft.installed();
          this.#say(`${member.id} installed ${image.meta.index}/${image.meta.term}`);
        });
      }
    },
    state: () => {
      for (const { id, raft, disk } of this.#members)
        this.#out.push(`${id}: ${raft === undefined ? 'down' : stateOf(raft)} | disk ${diskOf(disk)}`);
    },
    progress: ([who]) => {
      for (const { member, state, match, next, paused, stream } of this.#who(who)[0]?.raft?.describe().followers ??
        []) {
        this.#out.push(
          `${member}: ${state} match ${match} next ${next}${paused ? ' paused' : ''}${stream === 'none' ? '' : ` stream ${stream}`}`,
        );
      }
    },
  };

  #found(count: number): void {
    const names = Array.from({ length: count }, (_, i) => `n${i + 1}`);
    const listed = names.map((name, i) => ({ id: BigInt(i + 1), name, peerUrls: [`http://${name}`] }));
    const { payload, membership } = initialMembership('scenario', listed);
    this.#configuration = membership.configuration;
    this.#members = membership.configuration.voters.map((id) => {
      const disk = new TwinDisk();
      disk.write(initialLog(payload));
      const idle = {
        raft: undefined,
        boot: 0,
        holding: false,
        told: '',
        applied: [],
        wanted: [],
        installing: undefined,
      };
      return { id, disk, ...idle };
    });
    for (const member of this.#members) this.#start(member);
    this.#out = [];
  }

  #start(member: Member): void {
    const random = (): number => Number(member.id) / 10 + 0.001;
    member.raft = new Raft(
      { id: member.id, boot: ++member.boot, electionTicks: 10, heartbeatTicks: 1, random },
      member.disk.restored(this.#configuration),
    );
    member.applied = [];
    member.told = '';
    this.#turn(member);
  }

  #do(member: Member, input: (raft: Raft) => void): void {
    if (member.raft === undefined) return;
    input(member.raft);
    this.#turn(member);
  }

  #turn(member: Member): void {
    const raft = member.raft as Raft;
    for (let ready = raft.takeReady(); ready !== undefined; ready = raft.takeReady()) {
      this.#tell(member, raft);
      this.#carryOut(member, ready);
      if (member.disk.pending !== undefined && !member.holding && member.installing === undefined) {
        member.disk.sync();
        raft.persisted();
      }
    }
    this.#tell(member, raft);
  }

  #carryOut(member: Member, ready: Ready): void {
    for (const message of ready.messages) this.#send(message);
    if (ready.write !== undefined) member.disk.begin(ready.write);
    if (ready.roundsLost) this.#say(`${member.id} rounds lost`);
    if (ready.rounds !== undefined)
      this.#say(`${member.id} answers tickets up to ${ready.rounds.upTo}: index ${ready.rounds.index}`);
    for (const to of ready.snapshotsWanted) {
      member.wanted.push(to);
      this.#say(`${member.id} wants a snapshot sent to ${to}`);
    }
    for (const entry of ready.committed) member.applied.push(entryText(entry));
    if (ready.committed.length > 0) this.#say(`${member.id} applies ${ready.committed.map(entryText).join(' ')}`);
  }

  #sync(member: Member): void {
    member.disk.sync();
    this.#do(member, (raft) => raft.persisted());
  }

  #send(message: Message): void {
    const cut = this.#cut.has(`${message.from}->${message.to}`);
    if (!cut) this.#network.push(message);
    this.#say(`${textOf(message)}${cut ? ' (lost)' : ''}`);
  }

  #deliver(on: (message: Message) => boolean, limit = 1000): void {
    for (let count = 0; count < limit; count++) {
      const at = this.#network.findIndex(on);
      if (at < 0) return;
      const [message] = this.#network.splice(at, 1) as [Message];
      const member = this.#members.find(({ id }) => id === message.to);
      if (member?.raft === undefined) continue;
      const { refusedMessages } = member.raft.describe();
      this.#do(member, (raft) => raft.step(message));
      const after = member.raft.describe();
      if (after.refusedMessages > refusedMessages)
        this.#say(`${member.id} refuses ${textOf(message)}: ${after.lastRefusal}`);
    }
  }

  #saveImage(member: Member): void {
    const raft = member.raft as Raft;
    const index = raft.handedOut;
    const meta = { index, term: raft.termAt(index) as number, configuration: raft.configuration };
    member.disk.image = { meta, digest: 0 };
    this.#say(`image at ${index}/${meta.term}`);
  }

  #snapshot(sender: Member, receiver: Member, arrives: boolean): void {
    const { image } = sender.disk;
    const raft = sender.raft as Raft;
    if (image === undefined) throw new Error('there is no image to send');
    const head: SnapshotHead = { from: sender.id, to: receiver.id, term: raft.term, meta: image.meta };
    sender.wanted = sender.wanted.filter((id) => id !== receiver.id);
    this.#do(sender, (core) => core.snapshotSent(receiver.id, image.meta.index, arrives));
    if (!arrives || receiver.raft === undefined) return;
    const log = receiver.raft.beginInstall(head);
    this.#tell(receiver, receiver.raft);
    this.#say(
      log === undefined
        ? `${receiver.id} refuses it`
        : `${receiver.id} installs ${image.meta.index}/${image.meta.term} + [${log.entries.map(entryText).join(' ')}]`,
    );
    if (log === undefined) return;
    receiver.disk.install(image, log);
    receiver.installing = { image };
  }

  #who(who: string | undefined): Member[] {
    return this.#members.filter(({ id }) => who === 'all' || `${id}` === who);
  }

  #tell(member: Member, raft: Raft): void {
    const now = `${raft.role} in term ${raft.term}`;
    if (now !== member.told && member.told !== '') this.#say(`${member.id} is ${now}`);
    member.told = now;
  }

  #quietly(act: () => void): void {
    const { length } = this.#out;
    act();
    this.#out = [
      ...this.#out.slice(0, length),
      ...this.#out.slice(length).filter((line) => / is leader|applies|rounds lost/.test(line)),
    ];
  }

  #say(line: string): void {
    this.#out.push(line);
  }
}

/** `1->2`, `1->*`, `*->2`; `1`: both ways of 1. */
function onWay(way: string): (message: { readonly from: MemberId; readonly to: MemberId }) => boolean {
  const [from = '', to] = way.split('->');
  const fits = (word: string, id: MemberId): boolean => word === '*' || word === `${id}`;
  if (to === undefined) return (message) => fits(from, message.from) || fits(from, message.to);
  return (message) => fits(from, message.from) && fits(to, message.to);
}

/** `BIG` is more than one append may carry, so that nothing travels with it. */
function payloadOf(text: string): Uint8Array {
  return text === 'BIG' ? Buffer.from('BIG'.padEnd(appendBytesMax + 1)) : Buffer.from(text);
}

function entryText({ index, term, kind, payload }: Entry): string {
  const content = kind === 'commands' ? Buffer.from(payload).toString().trim() : kind === 'empty' ? '-' : 'members';
  return `${index}/${term}:${content}`;
}

function textOf(message: Message): string {
  const to = `${message.from}->${message.to} ${message.type} term ${message.term}`;
  switch (message.type) {
    case 'preVote':
    case 'vote':
      return `${to} last ${message.lastIndex}/${message.lastTerm}${message.type === 'vote' && message.transfer ? ' transfer' : ''}`;
    case 'preVoteReply':
    case 'voteReply':
      return `${to} ${message.granted ? 'yes' : 'no'}`;
    case 'append':
      return `${to} after ${message.prevIndex}/${message.prevTerm} [${message.entries.map(entryText).join(' ')}] commit ${message.commit} round ${message.round}`;
    case 'appendReply': {
      const what = message.accepted
        ? `match ${message.match}`
        : `not ${message.match}, try ${message.hintIndex}/${message.hintTerm}`;
      return `${to} ${what} round ${message.round}${message.needsSnapshot ? ' needs a snapshot' : ''}`;
    }
    case 'heartbeat':
      return `${to} commit ${message.commit} round ${message.round}`;
    case 'heartbeatReply':
      return `${to} round ${message.round}${message.needsSnapshot ? ' needs a snapshot' : ''}`;
    case 'timeoutNow':
      return to;
    case 'roundRequest':
      return to;
    case 'roundReply':
      return `${to} index ${message.index}`;
  }
}

function stateOf(raft: Raft): string {
  const { role, term, vote, leader, base, lastIndex, commit, handedOut, needsSnapshot } = raft.describe();
  const log: string[] = [];
  for (let index = base.index + 1; index <= lastIndex; index++) log.push(`${index}/${raft.termAt(index)}`);
  const image = needsSnapshot ? ' needs a snapshot' : '';
  return `${role} term ${term} vote ${vote} leader ${leader} log (${base.index}/${base.term}) ${log.join(' ')} commit ${commit} applied ${handedOut}${image}`;
}

function diskOf(disk: TwinDisk): string {
  const { hardState, entries } = disk;
  return `term ${hardState.term} vote ${hardState.vote} commit ${hardState.commit} last ${disk.lastIndex}/${entries.at(-1)?.term ?? disk.base.term}`;
}
