/** Single calls over the load's connection, for roads that look at each answer. */
import { Call, type Connection } from './connection.ts';

/** How a call ended; `message` is empty unless the code is 0. */
export interface Answer {
  readonly code: number;
  readonly text: string;
  readonly message: Buffer;
  /** When its last word came, on `performance`'s clock. */
  readonly nowMs: number;
}

class OneAnswer extends Call {
  readonly #connection: Connection;
  readonly #done: (answer: Answer) => void;
  #message = Buffer.alloc(0);

  constructor(connection: Connection, done: (answer: Answer) => void) {
    super();
    this.#connection = connection;
    this.#done = done;
  }

  message(bytes: Buffer, from: number, to: number): void {
    this.#message = Buffer.from(bytes.subarray(from, to));
  }

  ended(code: number, text: string): void {
    this.#done({ code, text, message: this.#message, nowMs: this.#connection.nowMs });
  }
}

/** Sends now; never rejects. */
export function ask(connection: Connection, path: string, framed: Buffer): Promise<Answer> {
  return new Promise((resolve) => {
    connection.open(path, new OneAnswer(connection, resolve), framed);
    connection.flush();
  });
}

/** The same, for who cannot go on without it. */
export async function mustAsk(connection: Connection, path: string, framed: Buffer): Promise<Buffer> {
  const { code, text, message } = await ask(connection, path, framed);
  if (code !== 0) throw new Error(`${path}: ${code} ${text}`);
  return message;
}

/** A stream that stays open; tells each message, and its end. */
export class Listening extends Call {
  readonly #connection: Connection;
  readonly #heard: (bytes: Buffer, from: number, to: number, nowMs: number) => void;
  readonly #over: (text: string) => void;

  constructor(
    connection: Connection,
    heard: (bytes: Buffer, from: number, to: number, nowMs: number) => void,
    over: (text: string) => void,
  ) {
    super();
    this.#connection = connection;
    this.#heard = heard;
    this.#over = over;
  }

  message(bytes: Buffer, from: number, to: number): void {
    this.#heard(bytes, from, to, this.#connection.nowMs);
  }

  ended(code: number, text: string): void {
    this.#over(`${code} ${text}`);
  }
}
