/**
 * Loaded into a member with `--import`, a machine on which one thing is not as it should be. By environment:
 * STRANGE_DISK=path   once `path.hang` is there a synced write of the log hangs; once `path.fail` is there it fails
 * STRANGE_FULL=path   while `path.log` is there, no new file of a log finds space; while `path.image` is there, no write of an image
 * STRANGE_BOOT=1      a rename to IDENTITY never ends
 * STRANGE_NOW_MS=ms   the wall clock stood there when the process began
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const { STRANGE_DISK: disk, STRANGE_FULL: full, STRANGE_BOOT: boot, STRANGE_NOW_MS: nowMs } = process.env;

if (disk !== undefined) {
  const { open, write } = fs;
  const synced = new Set();
  fs.open = (path, flags, ...rest) => {
    const done = rest.pop();
    open(path, flags, ...rest, (error, fd) => {
      synced.delete(fd);
      if ((flags & fs.constants.O_DSYNC) !== 0) synced.add(fd);
      done(error, fd);
    });
  };
  fs.write = (fd, ...rest) => {
    if (!synced.has(fd) || !fs.existsSync(`${disk}.hang`)) return write(fd, ...rest);
    const look = () => {
      if (!fs.existsSync(`${disk}.fail`)) setTimeout(look, 5);
      else rest.at(-1)(Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', syscall: 'write' }));
    };
    look();
  };
}

if (full !== undefined) {
  const { open } = fs;
  fs.open = (path, flags, ...rest) => {
    if ((flags & fs.constants.O_CREAT) === 0 || !String(path).endsWith('.new') || !fs.existsSync(`${full}.log`))
      return open(path, flags, ...rest);
    const error = Object.assign(new Error('ENOSPC: no space left on device, open'), {
      code: 'ENOSPC',
      syscall: 'open',
    });
    setImmediate(() => rest.at(-1)(error));
  };
  const { Level } = await import('level');
  const { batch } = Level.prototype;
  Level.prototype.batch = function (...args) {
    const chained = batch.apply(this, args);
    const write = chained.write.bind(chained);
    chained.write = (options) => {
      if (!fs.existsSync(`${full}.image`)) return write(options);
      const text = 'IO error: 000042.log: No space left on device';
      return Promise.reject(Object.assign(new Error(text), { code: 'LEVEL_IO_ERROR' }));
    };
    return chained;
  };
}

if (boot !== undefined) {
  const { rename } = fs.promises;
  fs.promises.rename = (from, to) => (String(to).endsWith('IDENTITY') ? new Promise(() => {}) : rename(from, to));
}

if (nowMs !== undefined) {
  const RealDate = Date;
  const shiftMs = Number(nowMs) - RealDate.now();
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + shiftMs);
      else super(...args);
    }
    static now() {
      return RealDate.now() + shiftMs;
    }
  };
}

syncBuiltinESMExports();
