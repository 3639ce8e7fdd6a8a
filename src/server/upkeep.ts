/**
 * What Maintenance asks of this member's image: tidying it, and a snapshot file of it. Both first have the node write down all that is
 * applied, and neither is in the way of a turn. Trouble with the image is this member's own affair: it goes to the log, and the
 * caller hears that another member may do better.
 */
import type { MemberDisks } from '../disk/member-disks.ts';
import type { Node } from '../node/node.ts';
import type { Log } from '../ops/log.ts';
import { type RpcError, rpcError, UnavailableError } from '../rpc/errors.ts';
import type { MemberSnapshot } from '../rpc/member.ts';

export class Upkeep {
  readonly #node: Node;
  readonly #disks: MemberDisks;
  readonly #log: Log;
  #tidying: Promise<void> | undefined;

  constructor(node: Node, disks: MemberDisks, log: Log) {
    this.#node = node;
    this.#disks = disks;
    this.#log = log;
  }

  /** One at a time: who asks meanwhile waits for the one under way. `timeoutMs` is for writing down what is applied. */
  async defragment(timeoutMs: number): Promise<void> {
    await this.#flushed(timeoutMs);
    this.#tidying ??= this.#tidied();
    await this.#tidying;
  }

  async snapshot(timeoutMs: number): Promise<MemberSnapshot> {
    await this.#flushed(timeoutMs);
    try {
      const { totalBytes, pieces, close } = await this.#disks.openSnapshotFile();
      return { totalBytes, pieces: this.#guarded(pieces()), close };
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  async #tidied(): Promise<void> {
    const startMs = performance.now();
    try {
      await this.#disks.compactImage();
      this.#log.info('defragmented the image', { tookMs: Math.round(performance.now() - startMs) });
    } catch (error) {
      throw this.#unreadable(error);
    } finally {
      this.#tidying = undefined;
    }
  }

  async *#guarded(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* pieces;
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): RpcError {
    this.#log.warn('the image cannot be read or tidied for a client', { error });
    return rpcError('imageUnreadable');
  }

  #flushed(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new UnavailableError('timedOut')), timeoutMs);
      this.#node.enqueue({
        type: 'flushImage',
        reply: () => {
          clearTimeout(timer);
          resolve();
        },
      });
    });
  }
}
