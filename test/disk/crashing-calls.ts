/**
 * Real files under a log whose process and machine can be stopped at any system call: unsynced writes are then undone or torn by
 * putting back, sector by sector, what was there before. For tests of `disk/fs-wal.ts`.
 */
import * as fs from 'node:fs';
import type { Prng } from '../../src/base/prng.ts';
import { realWalCalls, type WalCalls } from '../../src/disk/segment-files.ts';

interface Undo {
  readonly fd: number;
  readonly position: number;
  readonly before: Buffer;
}

const sectorBytes = 512;

/** Wraps the system calls. After `stopAfter` more calls nothing is done any more and nobody is answered. */
export class CrashingCalls {
  readonly calls: WalCalls;
  readonly #paths = new Map<number, string>();
  #unsynced: (Undo & { readonly path: string })[] = [];
  #renames: { from: string; to: string; before: Buffer | undefined }[] = [];
  #left = Number.POSITIVE_INFINITY;
  #stopped: (() => void) | undefined;
  #running = 0;

  constructor() {
    this.calls = {
      open: (path, flags, mode, done) =>
        this.#call((end) =>
          realWalCalls.open(path, flags, mode, (error, fd) => {
            if (error === null) this.#paths.set(fd, path);
            end(() => done(error, fd));
          }),
        ),
      // A synced write counts as two calls: between them its bytes are in the page cache, and the machine may stop.
      write: (fd, bytes, offset, length, position, done) =>
        this.#call((end) => {
          const path = this.#paths.get(fd) ?? '';
          this.#unsynced.push({ fd, path, position, before: readAt(path, position, length) });
          realWalCalls.write(fd, bytes, offset, length, position, (error, written) =>
            end(() => this.#call((synced) => synced(() => this.#synced(fd, () => done(error, written))))),
          );
        }),
      fsync: (fd, done) =>
        this.#call((end) => realWalCalls.fsync(fd, (error) => end(() => this.#synced(fd, done, error)))),
      rename: (from, to, done) =>
        this.#call((end) => {
          const before = fs.existsSync(to) ? fs.readFileSync(to) : undefined;
          realWalCalls.rename(from, to, (error) => {
            for (const [fd, path] of this.#paths) if (path === from) this.#paths.set(fd, to);
            this.#unsynced = this.#unsynced.map((undo) => (undo.path === from ? { ...undo, path: to } : undo));
            this.#renames.push({ from, to, before });
            end(() => done(error));
          });
        }),
      unlink: (path, done) => this.#call((end) => realWalCalls.unlink(path, (error) => end(() => done(error)))),
      close: (fd, done) =>
        this.#call((end) => {
          this.#paths.delete(fd);
          realWalCalls.close(fd, (error) => end(() => done(error)));
        }),
    };
  }

  /** Does `count` more calls, then plays dead. Resolves when it is dead, or never if no call comes any more. */
  stopAfter(count: number): Promise<void> {
    this.#left = count;
    return new Promise((resolve) => {
      this.#stopped = resolve;
      this.#stopIfQuiet();
    });
  }

  /** Loses power: what was not synced is kept, undone or torn. The directory is then as a restarted process finds it. */
  crash(prng: Prng): void {
    for (const undo of this.#unsynced.reverse()) {
      const chance = prng.pick([0, 0.5, 1]);
      if (!fs.existsSync(undo.path)) continue;
      const fd = fs.openSync(undo.path, 'r+');
      for (let at = 0; at < undo.before.length; ) {
        const next = Math.min(undo.before.length, at + sectorBytes - ((undo.position + at) % sectorBytes));
        if (prng.chance(chance)) fs.writeSync(fd, undo.before, at, next - at, undo.position + at);
        at = next;
      }
      fs.closeSync(fd);
    }
    for (const { from, to, before } of this.#renames.reverse()) {
      if (prng.chance(0.5)) continue;
      fs.renameSync(to, from);
      if (before !== undefined) fs.writeFileSync(to, before);
    }
    for (const fd of this.#paths.keys()) fs.closeSync(fd);
    this.#paths.clear();
  }

  #synced(fd: number, done: (error?: Error | null) => void, error?: Error | null): void {
    this.#unsynced = this.#unsynced.filter((undo) => undo.fd !== fd);
    // The only directory synced is the log's.
    if (fs.fstatSync(fd).isDirectory()) this.#renames = [];
    done(error);
  }

  #call(work: (end: (answer: () => void) => void) => void): void {
    if (this.#left <= 0) {
      this.#stopIfQuiet();
      return;
    }
    this.#left -= 1;
    this.#running += 1;
    work((answer) => {
      this.#running -= 1;
      answer();
      this.#stopIfQuiet();
    });
  }

  #stopIfQuiet(): void {
    if (this.#left <= 0 && this.#running === 0) this.#stopped?.();
  }
}

/** Bytes there now; what is beyond the end of the file counts as zeros. */
function readAt(path: string, position: number, length: number): Buffer {
  const before = Buffer.alloc(length);
  const fd = fs.openSync(path, 'r');
  fs.readSync(fd, before, 0, length, position);
  fs.closeSync(fd);
  return before;
}
