/** An image's disk as a sorted Map: batches go in, records come out in key order. */
import { compareBytes } from '../../src/base/bytes.ts';
import { Machine } from '../../src/state/machine.ts';
import { loadMachine } from '../../src/state/machine-loader.ts';
import type { ImageBatch, ImageRecord } from '../../src/store/image.ts';

export class ImageDouble {
  readonly #records = new Map<string, ImageRecord>();

  get size(): number {
    return this.#records.size;
  }

  write(batch: ImageBatch): void {
    for (const { key, value } of batch.ops) {
      const name = Buffer.from(key).toString('hex');
      if (value === undefined) this.#records.delete(name);
      else this.#records.set(name, { key: Buffer.from(key), value: Buffer.from(value) });
    }
  }

  records(): ImageRecord[] {
    return [...this.#records.values()].sort((a, b) => compareBytes(a.key, b.key));
  }

  /** The machine it holds; fails if it is damaged. */
  load(): Machine {
    const loaded = loadMachine(this.records());
    if (!(loaded instanceof Machine)) throw new Error(`the image is damaged: ${loaded.what}`);
    return loaded;
  }
}
