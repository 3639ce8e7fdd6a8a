/**
 * A member of the scripted lease model: the real duty, outbox and state machine over a Raft that is a log, a term and a role. What
 * happens to it is said by `lease-model.ts`.
 */
import { Duty } from '../../src/node/duty.ts';
import { Forwards } from '../../src/node/forwards.ts';
import type { NodeOptions } from '../../src/node/options.ts';
import { Outbox } from '../../src/node/outbox.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import { LessorClock } from '../../src/primary/clock.ts';
import type { Raft } from '../../src/raft/raft.ts';
import { Machine } from '../../src/state/machine.ts';
import type { Entry } from '../../src/store/entry.ts';

/** The part of Raft that duty and outbox see. */
interface ToyRaft {
  role: 'leader' | 'follower';
  term: number;
  leader: bigint;
  busy: boolean;
  propose(kind: 'commands', payload: Uint8Array): { type: 'accepted' | 'busy' | 'notLeader' };
}

export class ModelMember {
  readonly id: bigint;
  readonly raft: ToyRaft;
  readonly machine = new Machine();
  readonly duty: Duty;
  readonly outbox: Outbox;
  readonly forwards = new Forwards();
  readonly clock = new LessorClock();
  readonly sent: PeerMessage[] = [];
  log: Entry[] = [];
  commit = 0;
  ticket = 0;

  constructor(id: bigint) {
    this.id = id;
    this.raft = {
      role: 'follower',
      term: 0,
      leader: 0n,
      busy: false,
      propose: (kind, payload) => {
        if (this.raft.role !== 'leader') return { type: 'notLeader' };
        if (this.raft.busy) return { type: 'busy' };
        this.log.push({ index: this.log.length + 1, term: this.raft.term, kind, payload });
        return { type: 'accepted' };
      },
    };
    // Not all of a Raft and not all options: what duty and outbox read of them.
    const options = { member: id } as NodeOptions;
    const raft = this.raft as unknown as Raft;
    // No election timeout on top of deadlines: it is a courtesy that no promise may rest on.
    this.duty = new Duty(options, raft, this.machine, 0);
    this.outbox = new Outbox(id, 1, raft, {
      peers: { send: (_to, message) => void this.sent.push(message) },
      wakeIn: () => {},
    });
  }
}
