/** Bytes on their way to somebody who takes them when he likes: how many, and when there is room for more. One direction of a stream. */

/** The taker says how much he took when it is so much. */
const sayBytes = 16 * 1024;

export class Window {
  readonly #bytesMax: number;
  #bytes = 0;
  #unsaid = 0;
  #over = false;
  #waiters: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The sender sends so many more. False: he should wait until there is room. */
  sent(bytes: number): boolean {
    this.#bytes += bytes;
    return this.#bytes < this.#bytesMax;
  }

  whenRoom(): Promise<void> {
    if (this.#over || this.#bytes < this.#bytesMax / 2) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** The taker took so many: what he should say to the sender now, if anything. */
  took(bytes: number): number {
    this.#unsaid += bytes;
    if (this.#unsaid < sayBytes) return 0;
    const said = this.#unsaid;
    this.#unsaid = 0;
    return said;
  }

  /** The sender hears that. */
  heard(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes < this.#bytesMax / 2) this.#wake();
  }

  /** Nobody need wait any more. */
  end(): void {
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
