/** What waits for a turn, in order. A turn takes so many; what comes meanwhile waits for the next one. */
import { inputsPerTurnMax } from '../base/limits.ts';
import type { Input } from './input.ts';

export class InputQueue {
  readonly #perTurnMax: number;
  #inputs: Input[] = [];

  constructor(perTurnMax = inputsPerTurnMax) {
    this.#perTurnMax = perTurnMax;
  }

  get length(): number {
    return this.#inputs.length;
  }

  push(input: Input): void {
    this.#inputs.push(input);
  }

  /** The turn's share: at least one input, and no more than the limit; questions that came together count each. */
  take(): readonly Input[] {
    const inputs = this.#inputs;
    let end = 0;
    for (let left = this.#perTurnMax; end < inputs.length && left > 0; end++) {
      const input = inputs[end] as Input;
      left -= input.type === 'askings' ? input.count : 1;
    }
    this.#inputs = end === inputs.length ? [] : inputs.slice(end);
    return end === inputs.length ? inputs : inputs.slice(0, end);
  }
}
