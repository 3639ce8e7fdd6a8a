/**
 * The node's ports in the world: disks that take their time, fail and stall, messages that go through the network, snapshots
 * that stream. Everything that comes back becomes an `Input`; the first error of a disk ends the process (S4).
 */
import type { Ports } from '../../src/node/ports.ts';
import type { SnapshotHead } from '../../src/raft/message.ts';
import type { Index, WriteGroup } from '../../src/store/entry.ts';
import type { SimMember } from './member.ts';
import { Violation } from './violation.ts';

/** A member whose disk failed comes back after this long, as its supervisor would have it. */
const respawnMs = 1_000;

export function memberPorts(member: SimMember, boot: number): Ports {
  const { world, disks } = member;
  const alive = (): boolean => member.boot === boot && member.node !== undefined && !member.dying;
  return {
    wake: () => member.wake(boot),
    wakeIn: (delayMs) => member.wakeIn(boot, delayMs),
    wal: {
      write: (group) => {
        if (alive()) writeLog(member, boot, group);
      },
      dropUpTo: (index) => disks.dropLog(index),
    },
    image: {
      write: (batch) => {
        if (!alive()) return;
        disks.writeImage(batch, (error) => {
          if (error !== undefined) diskFailed(member);
          else {
            member.enqueue({ type: 'imageWritten', appliedIndex: batch.appliedIndex });
            if (member.sending === 0) member.dropsLogBehind = batch.appliedIndex;
          }
        });
        const latencyMs = 1 + member.prng.unit() * 20;
        if (member.spring('crashInImage')) return;
        syncAt(member, boot, latencyMs, () => {
          if (member.spring('imageError')) return;
          disks.imageSynced();
          member.spring('imageLostSuffix');
        });
      },
    },
    peers: {
      send: (to, message) => {
        if (!alive()) return;
        world.observer.sent(message, member);
        world.send(member, world.members[Number(to) - 1] as SimMember, message);
      },
    },
    snapshots: {
      send: (to, term) => {
        if (alive()) sendSnapshot(member, boot, world.members[Number(to) - 1] as SimMember, term);
      },
      install: (head, log) => {
        if (alive()) install(member, boot, head, log);
      },
      discard: () => disks.discard(),
    },
  };
}

function writeLog(member: SimMember, boot: number, group: WriteGroup): void {
  const { disks, world } = member;
  const { diskMsMin, diskMsMax, diskSlowChance, diskSlowMsMax } = world.schedule.noise;
  world.observer.written(group, member);
  const { segment } = disks.wal;
  disks.writeLog(group, (error) => {
    if (error !== undefined) diskFailed(member);
    else if (!member.spring('crashAfterSync'))
      member.later(boot, member.prng.unit() * 0.1, () => member.enqueue({ type: 'persisted' }));
  });
  let latencyMs = diskMsMin + (diskMsMax - diskMsMin) * member.prng.unit();
  if (diskSlowChance > 0 && member.prng.chance(diskSlowChance)) latencyMs += diskSlowMsMax * member.prng.unit();
  if (member.diskSlowMs > 0) latencyMs += member.diskSlowMs * member.prng.unit();
  // Traps crash in the middle of the turn's end: the write is under way then.
  const rollsOver = disks.wal.segment > segment;
  member.later(boot, latencyMs * 0.5, () => {
    if (!member.spring('crashInWrite') && rollsOver) member.spring('crashAtRollover');
  });
  syncAt(member, boot, latencyMs, () => {
    if (member.spring('diskError')) return;
    disks.logSynced(group);
    world.observer.synced(group, member);
  });
}

/** Runs `synced` after `latencyMs`, or when a stall of the disk is over. The kernel goes on while the process stands still. */
function syncAt(member: SimMember, boot: number, latencyMs: number, synced: () => void): void {
  member.later(boot, latencyMs, () => {
    const stallMs = member.diskStalledUntilMs - member.nowMs;
    // In small steps: healing ends a stall early.
    if (stallMs > 0) syncAt(member, boot, Math.min(stallMs + 0.1, 100), synced);
    else synced();
  });
}

/** The process exits at once and is started again. */
function diskFailed(member: SimMember): void {
  member.restart(respawnMs);
}

function sendSnapshot(member: SimMember, boot: number, to: SimMember, term: number): void {
  const { world, disks, prng } = member;
  const { network, timeline } = world;
  const reached = to.up && !network.isCut(member.index, to.index) && !network.isCut(to.index, member.index);
  // Nobody reads an image for a connection that cannot be made.
  const snapshot = reached ? disks.readImage() : undefined;
  const stream = { cut: snapshot === undefined, from: member.index, to: to.index };
  world.streams.add(stream);
  member.sending++;
  member.dropsLogBehind = undefined;
  const life = to.boot;
  const there = network.link(member.index, to.index);
  const back = network.link(to.index, member.index);
  const lossy = network.quality?.loss ?? network.noiseLoss;
  const durationMs = 5 + prng.unit() * 50 + (snapshot?.records.length ?? 0) * 0.01;
  const answerLost = prng.chance(lossy / 4);
  const broken = prng.chance(lossy / 4);
  timeline.after(durationMs, () => {
    world.streams.delete(stream);
    const whole = !stream.cut && !broken && there.cuts === 0 && back.cuts === 0 && to.node !== undefined && !to.paused;
    let ok = false;
    if (whole && snapshot !== undefined && to.boot === life && world.meets(there, boot) && to.disks.mayStage) {
      ok = true;
      to.disks.stage(snapshot.records);
      const head: SnapshotHead = { from: member.id, to: to.id, term, meta: snapshot.meta };
      to.enqueue({ type: 'snapshotStaged', head, records: snapshot.records });
      world.trace?.(to.index, `has a snapshot of ${member.name} at ${snapshot.meta.index}`);
    }
    if (snapshot !== undefined && member.boot === boot) keepsLogBehind(member, term, snapshot.meta.index);
    member.later(boot, 0, () => {
      member.sending--;
      member.enqueue({ type: 'snapshotSent', to: to.id, index: snapshot?.meta.index ?? 0, ok: ok && !answerLost });
    });
  });
}

/** V4: a leader keeps the log that follows an image on its way, else whoever gets it needs the next one at once, and so on. */
function keepsLogBehind({ node, name }: SimMember, term: number, index: Index): void {
  const raft = node?.raft;
  if (raft?.role === 'leader' && raft.term === term && raft.base.index > index)
    throw new Violation('V4', `${name} dropped its log up to ${raft.base.index} while it sent its image of ${index}`);
}

/** V6, after a turn: no log is kept beyond its tail for an image that is not on its way any more, however its stream ended. */
export function dropsLog(member: SimMember): void {
  const { node, name, dropsLogBehind, world } = member;
  if (dropsLogBehind === undefined || node === undefined) return;
  const { imageIndex, raft } = node.status();
  if (imageIndex < dropsLogBehind) return;
  member.dropsLogBehind = undefined;
  if (raft.base.index < dropsLogBehind - world.schedule.noise.logTailEntriesMax)
    throw new Violation('V6', `${name} keeps its log from ${raft.base.index} on behind its image of ${dropsLogBehind}`);
}

function install(member: SimMember, boot: number, head: SnapshotHead, log: WriteGroup): void {
  const { disks, world, prng } = member;
  const crashesLate = prng.chance(0.5);
  member.later(boot, 1 + prng.unit() * 20, () => {
    if (!crashesLate && member.spring('crashInInstall')) return;
    disks.install(head, log);
    member.installs++;
    member.imageLost = false;
    world.trace?.(member.index, `installed the snapshot at ${head.meta.index}`);
    if (crashesLate && member.spring('crashInInstall')) return;
    member.later(boot, prng.unit() * 20, () => {
      member.enqueue({ type: 'snapshotInstalled' });
      disks.installReported();
    });
  });
}
