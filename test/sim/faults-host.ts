/** What the faults of hosts and processes do: clocks, stalls, crashes at chosen events, handing over leadership. */
import type { FaultKind } from './fault-kinds.ts';
import type { Strike, StrikeTable } from './faults.ts';
import type { ResumeOrder } from './standstill.ts';

type HostFault = Extract<
  FaultKind,
  | 'suspend'
  | 'stall'
  | 'stutter'
  | 'wallJump'
  | 'rateStep'
  | 'crash'
  | 'crashBeforeTurn'
  | 'crashInTurn'
  | 'crashAfterTurn'
  | 'crashInWrite'
  | 'crashAfterSync'
  | 'crashInImage'
  | 'crashInInstall'
  | 'crashAtRollover'
  | 'crashTwice'
  | 'rolling'
  | 'powerLoss'
  | 'stop'
  | 'transfer'
>;

/** A fault that waits for an event gives up after this; installs are rare. */
const waitMsMax = 15_000;
const installWaitMsMax = 60_000;

export const hostFaults: StrikeTable<HostFault> = {
  suspend: (s) => pause(s, true),
  stall: (s) => pause(s, false),
  stutter: (s) => {
    if (!s.member.up) return;
    s.struck();
    const times = s.param('times', 10);
    const onMs = s.param('onMs', 120);
    const everyMs = Math.max(onMs * 1.5, s.fault.forMs / times);
    for (let i = 0; i < times; i++) s.later(i * everyMs, () => s.member.pause(onMs, false, (i % 3) as ResumeOrder));
  },
  wallJump: (s) => {
    s.member.clock.jumpWall(s.param('byMs', 3_600_000));
    s.struck();
  },
  rateStep: (s) => {
    s.member.clock.setRate(s.world.nowMs, s.param('off', 100) / 100);
    s.struck();
  },
  crash: (s) => {
    if (!s.member.up) return;
    s.struck();
    s.member.restart(s.fault.forMs);
  },
  crashBeforeTurn: (s) => crashAt(s),
  crashInTurn: (s) => crashAt(s),
  crashAfterTurn: (s) => crashAt(s),
  crashInWrite: (s) => crashAt(s),
  crashAfterSync: (s) => crashAt(s),
  crashInImage: (s) => crashAt(s),
  crashInInstall: (s) => crashAt(s),
  crashAtRollover: (s) => crashAt(s),
  crashTwice: (s) => {
    if (!s.member.up) return;
    s.struck();
    s.member.restart(s.fault.forMs);
    s.later(s.fault.forMs + s.param('againMs', 50), () => s.member.restart(s.fault.forMs));
  },
  rolling: (s) => {
    s.struck();
    const stepMs = s.fault.forMs + s.param('gapMs', 1_000);
    for (const member of s.world.members) s.later(member.index * stepMs, () => member.restart(s.fault.forMs));
  },
  powerLoss: (s) => {
    s.struck();
    for (const member of s.world.members) member.restart(s.fault.forMs * (0.5 + s.prng.unit()));
  },
  stop: (s) => {
    if (!s.member.up) return;
    s.struck();
    const { boot } = s.member;
    s.member.enqueue({ type: 'stop' });
    // It ends, but whoever is healed meanwhile does not stay down.
    s.member.later(boot, 20, () => s.member.restart(s.world.healed ? 0 : s.fault.forMs));
  },
  transfer: (s) => {
    if (!s.member.up) return;
    const to = s.param('to', -1);
    s.struck();
    s.member.enqueue({
      type: 'transfer',
      target: to < 0 ? 0n : BigInt((to % s.world.members.length) + 1),
      reply: () => undefined,
    });
  },
};

function pause(s: Strike, frozen: boolean): void {
  if (!s.member.up) return;
  s.struck();
  s.member.pause(s.fault.forMs, frozen, (s.param('order', 1) % 3) as ResumeOrder);
}

/** Crashes at the `n`-th event of the kind, and comes back. */
function crashAt(s: Strike): void {
  const withinMs = s.fault.kind === 'crashInInstall' ? installWaitMsMax : waitMsMax;
  s.member.trap(s.fault.kind, s.param('n', 1), withinMs, () => {
    s.struck();
    s.member.restart(s.fault.forMs);
  });
}
