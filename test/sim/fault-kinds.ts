/**
 * The names of all faults, what each does and what parameters it takes. What they do to the world is in `faults-*.ts`, how they
 * are drawn in `draw-faults.ts`.
 */
export const faultKinds = [
  // Network. All links of members; `clientsCut` and `clientCut` those of clients.
  'isolate', // the target hears and reaches nobody, clients included
  'peersCut', // the target's links to members are cut, clients reach it (reliability.md §0.2)
  'deaf', // the target hears no member
  'mute', // no member hears the target
  'cutLink', // target -> params.to is cut
  'cutPair', // target <-> params.to is cut
  'halves', // params.mask says who is on which side
  'bridge', // two sides by params.mask; the target belongs to both
  'ring', // each member reaches its two neighbours only
  'clientsCut', // no client reaches the target
  'clientCut', // client params.client reaches nobody
  'lossy', // all links: params.loss, params.duplicate in percent
  'lossyLink', // target -> params.to, same
  'slow', // all links: delays up to params.delayMs
  'slowLink', // target -> params.to, same
  'clog', // what the target sends and is sent waits until the end
  'swizzle', // members are clogged one by one in one order and unclogged in another; params.order
  'reset', // the connections of the target with params.to break mid-message
  'lateData', // as reset, but what was under way arrives up to params.delayMs later
  'halfOpen', // params.to thinks its connection to the target lives, and what it sends is lost
  'streamCut', // snapshot streams to and from the target break
  // Clocks and stalls. params.order on resume: 0 timers first in a turn of their own, 1 timers first, 2 messages first.
  'suspend', // the target's process and clock stand still
  'stall', // the target's process stands still, its clock runs
  'stutter', // many short stalls: params.times of params.onMs
  'wallJump', // the wall clock jumps by params.byMs
  'rateStep', // the clock runs at params.off of the allowed deviation, in percent
  // Processes. The target is down for forMs. params.n: at the n-th such event from now.
  'crash',
  'crashBeforeTurn',
  'crashInTurn', // nothing leaves the process any more from the middle of the turn on
  'crashAfterTurn',
  'crashInWrite', // a log write is under way
  'crashAfterSync', // the log is synced, the node does not know
  'crashInImage', // an image write is under way
  'crashInInstall', // a snapshot is being installed, before or after its commit point
  'crashAtRollover', // the log write under way begins a segment
  'crashTwice', // and again params.againMs after its restart
  'rolling', // all members, one after the other
  'powerLoss', // all members at once
  'stop', // an orderly end
  'transfer', // the leader hands over to params.to; -1: to whom it likes
  // The log's disk.
  'slowDisk', // syncs take up to params.upToMs
  'diskStall', // no sync ends
  'diskError', // the params.n-th sync from now fails, the process exits
  'diskFull', // less than the reserve is left
  'walFlip', // a bit of an older group flips; params.latent: found at the next start only
  'walFlipLast', // a bit of the last group
  'walMisdirect', // a sector was written over another one
  'walSegmentLost', // a segment file is gone
  // The image's disk.
  'imageError', // the params.n-th write from now fails, the process exits
  'imageLostSuffix', // the last batch is gone
  'imageLostMiddle', // a run of records is gone
  'imageWrong', // a bit of a record flips
  'imageUnreadable', // it does not open, or cannot be read
  'imageEmpty', // it opens, and is empty
  'imageOld', // it is a copy made params.ageMs before
  // The directory.
  'dirOld', // all of it is a copy made params.ageMs before
  'dirGone', // it is empty
] as const;

export type FaultKind = (typeof faultKinds)[number];
