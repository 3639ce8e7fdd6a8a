/**
 * A look at the cluster that is taken again and again: soon after the client connects, after the member that it used has failed, and
 * else rarely. Never two at a time; none before the client is used, none after it is closed. Owns the times and no look.
 */
import { onAbort } from '../abort.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Members } from './members.ts';

/** The next look after one that found nothing; doubled each time, up to the usual time between two. */
const againMsMin = 250;
/** After a change, so that clients of one member do not all look at once. */
const changeMsMax = 50;

export class Rounds {
  readonly #clock: Clock;
  readonly #members: Members;
  readonly #everyMs: number;
  readonly #look: () => Promise<boolean>;
  #timer: Timer | undefined;
  #looking = false;
  /** Something changed while a look was under way. */
  #changed = false;
  #vain = 0;

  /** `look` tells whether it found what it looked for, and never rejects. */
  constructor(clock: Clock, members: Members, everyMs: number, look: () => Promise<boolean>) {
    this.#clock = clock;
    this.#members = members;
    this.#everyMs = everyMs;
    this.#look = look;
    members.onChange(() => this.#soon());
    onAbort(members.closed, () => this.#timer?.cancel());
  }

  #soon(): void {
    if (this.#looking) this.#changed = true;
    else this.#after(changeMsMax * this.#clock.random());
  }

  #after(delayMs: number): void {
    this.#timer?.cancel();
    if (!this.#members.closed.aborted) this.#timer = this.#clock.after(delayMs, () => void this.#round(), 'background');
  }

  async #round(): Promise<void> {
    this.#looking = true;
    this.#changed = false;
    const found = await this.#look();
    this.#looking = false;
    this.#vain = found ? 0 : this.#vain + 1;
    const vainMs = againMsMin * 2 ** Math.min(Math.max(0, this.#vain - 1), 16);
    const delayMs = found && !this.#changed ? this.#everyMs : Math.min(vainMs, this.#everyMs);
    this.#after(delayMs * (0.75 + this.#clock.random() / 2));
  }
}
