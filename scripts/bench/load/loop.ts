/** What every shape of load has: it asks, checks, tells a meter, and can be stopped. Keeps no answer. */
import type { Told } from './meter.ts';

/** A request with gRPC's head; undefined when there is no more to ask for. */
export type Next = () => Buffer | undefined;
/** Whether the message is an answer as it should be. */
export type Check = (message: Buffer, from: number, to: number) => boolean;

/** What goes on until it is stopped. */
export interface Load {
  start(): void;
  /** Resolves when everything is answered. */
  stop(): Promise<void>;
}

export interface Asked {
  readonly path: string;
  readonly next: Next;
  readonly check: Check;
}

/** More would not tell more. */
const errorsMax = 1_000;
export const wrong = 'an answer that is none';

/** Keeps count of what is on the way. */
export abstract class Loop implements Load {
  readonly meter: Told;
  stopping = false;
  #active = 0;
  #idle: (() => void) | undefined;

  constructor(meter: Told) {
    this.meter = meter;
  }

  abstract start(): void;

  stop(): Promise<void> {
    this.stopping = true;
    return this.finished();
  }

  /** Resolves when nothing is on the way. */
  async finished(): Promise<void> {
    if (this.#active === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  began(): void {
    this.#active++;
  }

  over(): void {
    if (--this.#active === 0) this.#idle?.();
  }

  failed(text: string): void {
    this.meter.failed(text);
    if (this.meter.errors >= errorsMax) this.stopping = true;
  }
}
