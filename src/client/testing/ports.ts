/**
 * The node's ports in memory: disks that take a little time, and go on while the process stands still. Everything that comes back
 * becomes an `Input` of the start that asked.
 */
import type { Prng } from '../../base/prng.ts';
import type { Input } from '../../node/input.ts';
import type { PeerMessage } from '../../node/peer-message.ts';
import type { Ports } from '../../node/ports.ts';
import type { MemberId } from '../../store/entry.ts';
import type { Disks } from './disks.ts';
import type { Host } from './host.ts';

/** The member as its ports see it. */
export interface PortsUser {
  readonly host: Host;
  readonly disks: Disks;
  readonly prng: Prng;
  readonly up: boolean;
  /** Starts so far. */
  readonly boot: number;
  turn(boot: number): void;
  enqueue(boot: number, input: Input): void;
}

/** How others are reached. */
export interface Outward {
  send(to: MemberId, message: PeerMessage): void;
  sendSnapshot(to: MemberId, term: number): void;
}

const turnMsMax = 0.05;
const syncMsMin = 0.2;
const syncMsMax = 0.8;
const imageMsMax = 5;

/** For the start that `member` is at. */
export function memberPorts(member: PortsUser, outward: Outward): Ports {
  const { boot, disks, prng } = member;
  const { timeline } = member.host;
  const later = (msMin: number, msMax: number, step: () => void): void => {
    timeline.after(msMin + (msMax - msMin) * prng.unit(), () => {
      if (member.up && member.boot === boot) step();
    });
  };
  let alarmSet = false;
  return {
    wake: () => later(0, turnMsMax, () => member.turn(boot)),
    wakeIn: (delayMs) => {
      if (alarmSet) return;
      alarmSet = true;
      later(delayMs, delayMs + turnMsMax, () => {
        alarmSet = false;
        member.turn(boot);
      });
    },
    wal: {
      write: (group) => {
        disks.wal.write(group, () => member.enqueue(boot, { type: 'persisted' }));
        later(syncMsMin, syncMsMax, () => disks.wal.completeSync());
      },
      dropUpTo: (index) => disks.dropLogUpTo(index),
    },
    image: {
      write: (batch) => {
        const { appliedIndex } = batch;
        disks.image.write(batch, () => member.enqueue(boot, { type: 'imageWritten', appliedIndex }));
        later(1, imageMsMax, () => disks.image.completeWrite());
      },
    },
    peers: { send: (to, message) => outward.send(to, message) },
    snapshots: {
      send: (to, term) => outward.sendSnapshot(to, term),
      install: (head, log) =>
        later(1, imageMsMax, () => {
          disks.install(head, log);
          member.enqueue(boot, { type: 'snapshotInstalled' });
        }),
      discard: () => disks.discard(),
    },
  };
}
