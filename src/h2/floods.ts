/**
 * What an HTTP/2 client may do that costs it little and us something, counted by the second: frames that ask for nothing, settings that
 * change, calls given up as soon as they are made. Owns the counts of one connection; beyond a limit the connection is given up.
 */
import {
  callsGivenUpMax,
  callsGivenUpPerSecondMax,
  idleFramesPerSecondMax,
  settingsPerSecondMax,
} from '../base/limits.ts';
import { ConnectionFault, errorCodes } from './words.ts';

const secondMs = 1_000;

export class Floods {
  #secondMs = 0;
  #idle = 0;
  #settings = 0;
  #givenUp = 0;

  /** Time goes on; `nowMs` of any clock that does not go back. */
  pass(nowMs: number): void {
    const passedMs = nowMs - this.#secondMs;
    if (passedMs < secondMs) return;
    this.#secondMs = nowMs;
    this.#idle = 0;
    this.#settings = 0;
    this.#givenUp = Math.max(0, this.#givenUp - (passedMs / secondMs) * callsGivenUpPerSecondMax);
  }

  /** Something was asked for, or answered. */
  used(): void {
    this.#idle = 0;
  }

  /** A frame that asked for nothing. */
  idle(): void {
    if (++this.#idle > idleFramesPerSecondMax) throw tooMuch();
  }

  settings(): void {
    if (++this.#settings > settingsPerSecondMax) throw tooMuch();
  }

  /** A call was reset of which its client had heard nothing yet. */
  givenUp(): void {
    if (++this.#givenUp > callsGivenUpMax) throw tooMuch();
  }
}

function tooMuch(): ConnectionFault {
  return new ConnectionFault(errorCodes.enhanceYourCalm, 'a flood');
}
