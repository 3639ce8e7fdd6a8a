/** What the faults of the network do. Cuts and clogs count, so that faults which overlap end one by one. */
import type { FaultKind } from './fault-kinds.ts';
import type { Strike, StrikeTable } from './faults.ts';

type NetworkFault = Extract<
  FaultKind,
  | 'isolate'
  | 'peersCut'
  | 'deaf'
  | 'mute'
  | 'cutLink'
  | 'cutPair'
  | 'halves'
  | 'bridge'
  | 'ring'
  | 'clientsCut'
  | 'clientCut'
  | 'lossy'
  | 'lossyLink'
  | 'slow'
  | 'slowLink'
  | 'clog'
  | 'swizzle'
  | 'reset'
  | 'lateData'
  | 'halfOpen'
  | 'streamCut'
>;

export const networkFaults: StrikeTable<NetworkFault> = {
  isolate: (s) => cutWhile(s, (from, to) => from === s.member.index || to === s.member.index),
  peersCut: (s) => cutWhile(s, (from, to) => among(s, from, to) && (from === s.member.index || to === s.member.index)),
  deaf: (s) => cutWhile(s, (from, to) => among(s, from, to) && to === s.member.index),
  mute: (s) => cutWhile(s, (from, to) => among(s, from, to) && from === s.member.index),
  cutLink: (s) => cutWhile(s, (from, to) => from === s.member.index && to === s.other.index),
  cutPair: (s) => cutWhile(s, (from, to) => isPair(s, from, to)),
  halves: (s) => cutWhile(s, (from, to) => among(s, from, to) && sideOf(s, from) !== sideOf(s, to)),
  bridge: (s) =>
    cutWhile(s, (from, to) => {
      if (!among(s, from, to) || from === s.member.index || to === s.member.index) return false;
      return sideOf(s, from) !== sideOf(s, to);
    }),
  ring: (s) =>
    cutWhile(s, (from, to) => {
      const { members } = s.world.network;
      const apart = Math.abs(from - to);
      return among(s, from, to) && apart !== 1 && apart !== members - 1;
    }),
  clientsCut: (s) =>
    cutWhile(s, (from, to) => !among(s, from, to) && (from === s.member.index || to === s.member.index)),
  clientCut: (s) => {
    const { members, ends } = s.world.network;
    const client = members + (s.param('client', 0) % Math.max(1, ends - members));
    cutWhile(s, (from, to) => from === client || to === client);
  },
  lossy: (s) => {
    const { network } = s.world;
    network.quality = quality(s);
    s.struck();
    s.finally(() => {
      network.quality = undefined;
    });
  },
  lossyLink: (s) => linkQuality(s),
  slow: (s) => {
    const { network } = s.world;
    network.quality = quality(s);
    s.struck();
    s.finally(() => {
      network.quality = undefined;
    });
  },
  slowLink: (s) => linkQuality(s),
  clog: (s) => {
    clogMember(s, s.member.index);
    s.struck();
    s.finally(() => unclogMember(s, s.member.index));
  },
  swizzle: (s) => {
    const { members } = s.world.network;
    const order = shuffled(members, s.param('order', 0));
    const back = shuffled(members, s.param('order', 0) * 7 + 3);
    const stepMs = s.fault.forMs / (2 * members);
    s.struck();
    for (const [i, index] of order.entries()) s.later(i * stepMs, () => clogMember(s, index));
    for (const [i, index] of back.entries()) s.later((members + i) * stepMs, () => unclogMember(s, index));
  },
  reset: (s) => breakConnections(s, 0),
  lateData: (s) => breakConnections(s, s.param('delayMs', 500)),
  halfOpen: (s) => {
    const { network } = s.world;
    s.struck();
    network.cut(s.other.index, s.member.index);
    s.member.enqueue({ type: 'linkLost', member: s.other.id });
    s.finally(() => network.uncut(s.other.index, s.member.index));
  },
  streamCut: (s) => {
    // Those of the next while: streams are short.
    const cut = (): void => {
      for (const stream of s.world.streams) {
        if (stream.cut || (stream.from !== s.member.index && stream.to !== s.member.index)) continue;
        stream.cut = true;
        s.struck();
      }
    };
    for (let at = 0; at < s.fault.forMs; at += 25) s.later(at, cut);
  },
};

function cutWhile(s: Strike, isCut: (from: number, to: number) => boolean): void {
  const { network } = s.world;
  const cut: (readonly [number, number])[] = [];
  for (let from = 0; from < network.ends; from++)
    for (let to = 0; to < network.ends; to++) if (from !== to && isCut(from, to)) cut.push([from, to]);
  for (const [from, to] of cut) network.cut(from, to);
  s.struck();
  s.finally(() => {
    for (const [from, to] of cut) network.uncut(from, to);
  });
}

/** Between two members. */
function among(s: Strike, from: number, to: number): boolean {
  const { members } = s.world.network;
  return from < members && to < members;
}

function isPair(s: Strike, from: number, to: number): boolean {
  const [a, b] = [s.member.index, s.other.index];
  return (from === a && to === b) || (from === b && to === a);
}

function sideOf(s: Strike, index: number): number {
  return (s.param('mask', 1) >> index) & 1;
}

function quality(s: Strike): { loss: number; duplicate: number; delayMsMax: number } {
  const { noise } = s.world.schedule;
  return {
    loss: s.param('loss', noise.loss * 100) / 100,
    duplicate: s.param('duplicate', noise.duplicate * 100) / 100,
    delayMsMax: s.param('delayMs', noise.delayMsMax),
  };
}

function linkQuality(s: Strike): void {
  const link = s.world.network.link(s.member.index, s.other.index);
  link.quality = quality(s);
  s.struck();
  s.finally(() => {
    link.quality = undefined;
  });
}

function clogMember(s: Strike, index: number): void {
  const { network } = s.world;
  for (let end = 0; end < network.ends; end++) {
    if (end === index) continue;
    network.clog(index, end);
    network.clog(end, index);
  }
}

function unclogMember(s: Strike, index: number): void {
  const { network } = s.world;
  for (let end = 0; end < network.ends; end++) {
    if (end === index) continue;
    network.unclog(index, end);
    network.unclog(end, index);
  }
}

function breakConnections(s: Strike, lateMs: number): void {
  const { network, timeline } = s.world;
  const [a, b] = [s.member, s.other];
  if (a === b) return;
  s.struck();
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    network.breakConnection(from.index, to.index, lateMs);
    timeline.after(s.prng.unit() * 5, () => to.enqueue({ type: 'linkLost', member: from.id }));
  }
}

/** An order of 0 … count-1, by number. */
function shuffled(count: number, order: number): number[] {
  const left = Array.from({ length: count }, (_, i) => i);
  const result: number[] = [];
  let rest = order;
  while (left.length > 0) {
    const [next] = left.splice(rest % left.length, 1);
    result.push(next as number);
    rest = Math.floor(rest / (left.length + 1));
  }
  return result;
}
