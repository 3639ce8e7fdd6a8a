/**
 * What the faults of disks do, and the atlas: damage falls only where every committed entry keeps a copy that can be repaired on a
 * healthy quorum. The `scorched` profile has no atlas, but for two cases that no member could tell from a healthy disk.
 */
import { flipLastBit, flipOldBit, lastGroupEntries, loseMiddle, loseSegment, misdirect } from './damage.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { Strike, StrikeTable } from './faults.ts';
import type { SimMember } from './member.ts';
import type { World } from './world.ts';

type DiskFault = Extract<
  FaultKind,
  | 'slowDisk'
  | 'diskStall'
  | 'diskError'
  | 'diskFull'
  | 'walFlip'
  | 'walFlipLast'
  | 'walMisdirect'
  | 'walSegmentLost'
  | 'imageError'
  | 'imageLostSuffix'
  | 'imageLostMiddle'
  | 'imageWrong'
  | 'imageUnreadable'
  | 'imageEmpty'
  | 'imageOld'
  | 'dirOld'
  | 'dirGone'
>;

const waitMsMax = 15_000;

export const diskFaults: StrikeTable<DiskFault> = {
  slowDisk: (s) => {
    s.member.diskSlowMs = s.param('upToMs', 100);
    s.struck();
    s.finally(() => {
      s.member.diskSlowMs = 0;
    });
  },
  diskStall: (s) => {
    s.member.diskStalledUntilMs = s.world.nowMs + s.fault.forMs;
    s.struck();
  },
  diskError: (s) =>
    s.member.trap('diskError', s.param('n', 1), waitMsMax, () => {
      s.struck();
      s.member.disks.logFailed();
    }),
  diskFull: (s) => {
    if (!s.member.up) return;
    s.struck();
    s.member.enqueue({ type: 'diskSpace', freeBytes: 1, reserveBytes: 2 });
    s.finally(() => s.member.enqueue({ type: 'diskSpace', freeBytes: 2 ** 40, reserveBytes: 2 }));
    disarming(s.world, s.fault.forMs);
  },
  walFlip: (s) => {
    if (s.param('latent', 0) === 0) damageDown(s, () => flipOldBit(s.member.disks, s.prng));
    else if (s.member.up && mayDamage(s) && flipOldBit(s.member.disks, s.prng)) {
      s.struck();
      s.member.suspect = true;
    }
  },
  walFlipLast: (s) => {
    if (!s.member.up || !mayDamage(s)) return;
    s.member.crash();
    // The format cannot tell this from a torn write: it costs nothing only where a quorum of others holds the same.
    if (heldByOthers(s) && flipLastBit(s.member.disks, s.prng)) {
      s.struck();
      // An image that reaches further than what is left of the log shows it, and the member refuses to start.
      s.member.suspect = true;
      s.member.mayForget = true;
    }
    comeBack(s);
  },
  walMisdirect: (s) => damageDown(s, () => misdirect(s.member.disks, s.prng)),
  walSegmentLost: (s) =>
    damageDown(s, () => {
      loseSegment(s.member.disks, s.prng);
      return true;
    }),
  imageError: (s) =>
    s.member.trap('imageError', s.param('n', 1), waitMsMax, () => {
      s.struck();
      s.member.disks.imageFailed();
    }),
  imageLostSuffix: (s) => {
    if (!s.member.up || !mayDamage(s)) return;
    const before = s.member.disks.image.copy();
    const { imageGeneration } = s.member.disks;
    s.member.trap('imageLostSuffix', 1, waitMsMax, () => {
      const { boot } = s.member;
      s.member.later(boot, s.param('delayMs', 0), () =>
        damageDown(s, () => {
          s.member.disks.image.restore(before);
          s.member.disks.imageGeneration = imageGeneration;
          return true;
        }),
      );
    });
  },
  imageLostMiddle: (s) => damageDown(s, () => loseMiddle(s.member.disks, s.prng)),
  imageWrong: (s) => damageDown(s, () => s.member.disks.image.flipBit(s.prng) !== undefined),
  imageUnreadable: (s) =>
    damageDown(s, () => {
      s.member.disks.imageUnreadable = true;
      return true;
    }),
  imageEmpty: (s) =>
    damageDown(s, () => {
      s.member.disks.image.wipe();
      return true;
    }),
  imageOld: (s) => {
    const copy = s.member.disks.image.copy();
    const { imageGeneration } = s.member.disks;
    s.later(s.param('ageMs', 3_000), () =>
      damageDown(s, () => {
        s.member.disks.image.restore(copy);
        s.member.disks.imageGeneration = imageGeneration;
        return true;
      }),
    );
  },
  dirOld: (s) => {
    if (!s.member.up || !mayDamage(s)) return;
    const copy = s.member.disks.copyDirectory();
    // A copy of the present start cannot be told from it: there is another start first, and everybody has met it.
    s.member.restart(200);
    s.later(s.param('ageMs', 3_000), () => {
      const { member } = s;
      if (!member.up || !mayDamage(s) || !everybodyKnows(s.world, member) || !promisesHeldByOthers(s)) return;
      member.crash();
      member.disks.restoreDirectory(copy);
      member.suspect = true;
      s.struck();
      comeBack(s);
    });
  },
  dirGone: (s) => {
    if (!s.member.up || !mayDamage(s) || !everybodyKnows(s.world, s.member) || !promisesHeldByOthers(s)) return;
    s.member.crash();
    s.member.disks.gone = true;
    s.member.suspect = true;
    s.struck();
    comeBack(s);
  },
};

/** The member goes down, is damaged, and comes back. */
function damageDown(s: Strike, damage: () => boolean): void {
  if (!s.member.up || !mayDamage(s)) return;
  s.member.crash();
  if (damage()) {
    s.struck();
    s.member.suspect = true;
  }
  comeBack(s);
}

function comeBack(s: Strike): void {
  s.world.timeline.after(s.fault.forMs, () => s.member.start());
}

/** The atlas: with this one, fewer than half are damaged, or wait for another member's image. */
function mayDamage({ world, member }: Strike): boolean {
  if (world.scorched) return world.members.length > 1;
  const damaged = world.members.filter(
    (each) => each !== member && (each.ruined || each.suspect || each.imageLost),
  ).length;
  return 2 * (damaged + 1) < world.members.length;
}

/** Whether others, a quorum of them, hold durably what the member's last group holds. */
function heldByOthers(s: Strike): boolean {
  return lastGroupEntries(s.member.disks).every(({ index, term }) => isHeldByOthers(s, index, term));
}

/** The same for all that it may have vouched for and that is not committed yet. */
function promisesHeldByOthers(s: Strike): boolean {
  const { durable } = s.member;
  for (let index = s.world.appliedIndex + 1; index <= durable.lastIndex; index++) {
    const term = durable.term(index);
    if (term !== undefined && !isHeldByOthers(s, index, term)) return false;
  }
  return true;
}

function isHeldByOthers({ world, member }: Strike, index: number, term: number): boolean {
  const holders = world.members.filter(
    (each) => each !== member && (each.durable.base.index >= index || each.durable.term(index) === term),
  );
  return 2 * holders.length > world.members.length;
}

/** Whether every other member has met the member's present start. */
function everybodyKnows(world: World, member: SimMember): boolean {
  return world.members.every(
    (each) => each === member || each.disks.seenTokens[member.index] === member.bootTokens[member.boot],
  );
}

/** The operator: from when a full disk has room again, whatever alarm the leader knows of is disarmed, again and again. */
function disarming(world: World, afterMs: number): void {
  world.timeline.after(afterMs, () => {
    const { leader } = world;
    for (const { member, kind } of leader?.node?.machine.alarms.list() ?? []) {
      const command = { type: 'alarm', action: 'deactivate', member, kind } as const;
      leader?.enqueue({ type: 'propose', command, timeoutMs: 1_000, reply: () => undefined });
    }
    disarming(world, 500);
  });
}
