/** A stranger on the peer port: writes what it likes and keeps what comes back. */
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { peerFrameBytesMax } from '../../src/base/limits.ts';
import type { ByteWriter } from '../../src/peer/byte-writer.ts';
import { type Frame, FrameParser, type FrameType, FrameWriter } from '../../src/peer/frame.ts';
import { type Hello, type Refusal, readRefusal, writeHello } from '../../src/peer/handshake.ts';
import { testCluster, until } from './member.ts';

export function frameOf(type: FrameType, fill: (writer: ByteWriter) => void): Buffer {
  return Buffer.concat(new FrameWriter().frame(type, fill)!.pieces as Buffer[]);
}

/** A good hello of member 1 to member 2, but for what is overridden. */
export function helloOf(over: Partial<Hello> = {}): Buffer {
  const good: Hello = { clusterId: testCluster, member: 1n, target: 2n, boot: 1, token: 0n, purpose: 'messages' };
  return frameOf('hello', (writer) => writeHello(writer, { ...good, ...over }));
}

export class Stranger {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  readonly #parser = new FrameParser(peerFrameBytesMax);

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port });
    this.socket.on('data', (chunk: Buffer) => {
      this.#parser.push(Buffer.from(chunk));
      for (let next = this.#parser.next(); next !== undefined; next = this.#parser.next()) {
        if (typeof next === 'string') throw new Error(next);
        if (next.type !== 'ping' && next.type !== 'pong') this.frames.push(next);
      }
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
    onTestFinished(() => void this.socket.destroy());
  }

  /** What the member said last: the type of its frame. */
  get answer(): FrameType | undefined {
    return this.frames.at(-1)?.type;
  }

  get refusal(): Refusal | undefined {
    const last = this.frames.at(-1);
    return last?.type === 'refusal' ? readRefusal(last.body) : undefined;
  }

  send(bytes: Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  async whenClosed(): Promise<void> {
    await until('the stranger is thrown out', () => this.closed);
  }

  async whenAnswered(): Promise<void> {
    await until('an answer', () => this.frames.length > 0 || this.closed);
  }
}
