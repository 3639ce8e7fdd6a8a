/** How much a member says to others. V6: a burst after a stall is one thing, members that ask and refuse in a circle go on tick after tick. */
import { Violation } from './violation.ts';

/** Members talk a few times a turn, and take a turn for most of what comes. */
const messagesPerTickMax = 250;
const stormyTicksMax = 4;

export class Talk {
  #sinceTick = 0;
  #stormyTicks = 0;

  sent(): void {
    this.#sinceTick++;
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
