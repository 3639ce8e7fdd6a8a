/**
 * What has changed in a view since its follower last looked, by key: one that lags sees the newest of each key, not
 * each step, so what waits for it is never more than there are keys.
 */
import type { LeaseError } from '../errors.ts';
import type { KeyValue } from '../kv/views.ts';

/** A key of a view changed from `prev` to `kv`; undefined where it was not, or is not, there. */
export interface Change<T = Uint8Array> {
  readonly type: 'put' | 'delete';
  readonly keyText: string;
  readonly kv: KeyValue<T> | undefined;
  readonly prev: KeyValue<T> | undefined;
}

export class Changes<T> {
  readonly #waiting = new Map<string, Change<T>>();
  #wake: (() => void) | undefined;
  #ended: { readonly error: LeaseError | undefined } | undefined;

  /** `id` is the key's, whatever its bytes. */
  add(id: string, { keyText, kv, prev }: Omit<Change<T>, 'type'>): void {
    if (this.#ended !== undefined) return;
    const waiting = this.#waiting.get(id);
    const before = waiting === undefined ? prev : waiting.prev;
    if (kv === undefined && before === undefined) this.#waiting.delete(id);
    else this.#waiting.set(id, { type: kv === undefined ? 'delete' : 'put', keyText, kv, prev: before });
    this.#wake?.();
  }

  /**
   * Nothing more comes: what waits may still be read, unless `now`, then it is over, with the error if there is one.
   */
  end(error: LeaseError | undefined, now: boolean): void {
    this.#ended ??= { error };
    if (now) this.#waiting.clear();
    this.#wake?.();
  }

  /** The next change; undefined at the end. For one reader. */
  async next(): Promise<Change<T> | undefined> {
    for (;;) {
      for (const [id, change] of this.#waiting) {
        this.#waiting.delete(id);
        return change;
      }
      if (this.#ended?.error !== undefined) throw this.#ended.error;
      if (this.#ended !== undefined) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
