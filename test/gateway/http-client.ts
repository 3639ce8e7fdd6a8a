/** Plain HTTP/1.1 for the tests of the gateway: whole answers, and streams chunk by chunk as they stand on the socket. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly agent?: Agent;
}

const agent = new Agent({ keepAlive: false });

/** Posts a body; rejects if the connection breaks. */
export function ask(port: number, path: string, body: string | Buffer, asked: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      port,
      path,
      method: asked.method ?? 'POST',
      headers: asked.headers ?? {},
      agent: asked.agent ?? agent,
    };
    const call = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status = 0, headers, trailers } = response;
        resolve({ status, headers, trailers, body: Buffer.concat(chunks).toString() });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** A request whose answer is read while it goes on, over a socket of its own. */
export class HttpStream {
  readonly socket: Socket;
  /** Everything received. */
  received = '';
  closed = false;
  #wake: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString();
      this.#wakeAll();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#wakeAll();
    });
  }

  /** A request with a body of that length, which ends with it. */
  static post(port: number, path: string, body: string, headers = ''): HttpStream {
    const stream = new HttpStream(port);
    stream.socket.write(`POST ${path} HTTP/1.1\r\nHost: m\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`);
    return stream;
  }

  /** A request whose body stays open: `send` adds to it. */
  static open(port: number, path: string): HttpStream {
    const stream = new HttpStream(port);
    stream.socket.write(`POST ${path} HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n`);
    return stream;
  }

  send(text: string): void {
    this.socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
  }

  endBody(): void {
    this.socket.write('0\r\n\r\n');
  }

  /** The chunks of the answer so far, each as it was framed; the last may be the empty one that ends it. */
  get chunks(): readonly string[] {
    const found: string[] = [];
    let rest = this.received.slice(this.received.indexOf('\r\n\r\n') + 4);
    for (;;) {
      const [, size] = /^([0-9a-f]+)\r\n/.exec(rest) ?? [];
      if (size === undefined) return found;
      const start = size.length + 2;
      const end = start + Number.parseInt(size, 16);
      if (rest.length < end + 2) return found;
      found.push(rest.slice(start, end));
      rest = rest.slice(end + 2);
    }
  }

  /** Waits until so many chunks have come. */
  async chunk(count: number): Promise<readonly string[]> {
    while (!this.received.includes('\r\n\r\n') || this.chunks.length < count) {
      if (this.closed) throw new Error(`closed after ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return this.chunks;
  }

  async end(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  destroy(): void {
    this.socket.destroy();
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

export const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
