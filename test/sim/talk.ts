/** How much a member says to others. V6: a burst after a stall is one thing, members that ask and refuse in a circle go on tick after tick. */
import { appendBytesMax } from '../../src/base/limits.ts';
import type { PeerMessage } from '../../src/node/peer-message.ts';
import type { Noise } from './schedule.ts';
import { Violation } from './violation.ts';

/** Members talk a few times a turn, and take a turn for most of what comes. */
const messagesPerTickMax = 250;
const stormyTicksMax = 4;

export class Talk {
  readonly #countsAppends: boolean;
  /** Questions for leave to campaign, since the world began. */
  preVotes = 0;
  #sinceTick = 0;
  #stormyTicks = 0;

  /**
   * Appends count where they have the size that members give them, or links keep their order. Where hundreds of small ones, in place of
   * one, overtake each other, each that comes too early is refused and sent again: it comes to rest by itself, after some ticks.
   */
  constructor(noise: Noise) {
    this.#countsAppends = noise.inOrder || noise.appendBytesMax >= appendBytesMax;
  }

  sent({ type }: PeerMessage): void {
    if (type === 'preVote') this.preVotes++;
    if (this.#countsAppends || (type !== 'append' && type !== 'appendReply')) this.#sinceTick++;
  }

  /** Throws when `name` has been at it for too long. */
  ticks(name: string): void {
    this.#stormyTicks = this.#sinceTick < messagesPerTickMax ? 0 : this.#stormyTicks + 1;
    this.#sinceTick = 0;
    if (this.#stormyTicks >= stormyTicksMax)
      throw new Violation(
        'V6',
        `${name} sent ${messagesPerTickMax} messages and more in each of ${stormyTicksMax} ticks`,
      );
  }
}
