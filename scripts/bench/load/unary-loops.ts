/** Unary load: clients that call again as soon as they are answered, and calls at a fixed rate. */
import { Call, type Connection } from './connection.ts';
import { type Asked, type Check, Loop, wrong } from './loop.ts';
import type { Told } from './meter.ts';

class OneCall extends Call {
  readonly connection: Connection;
  readonly #check: Check;
  readonly #done: (call: OneCall, problem: string) => void;
  sentMs = 0;
  #answered = false;

  constructor(connection: Connection, check: Check, done: (call: OneCall, problem: string) => void) {
    super();
    this.connection = connection;
    this.#check = check;
    this.#done = done;
  }

  ask(path: string, request: Buffer, sentMs: number): void {
    this.sentMs = sentMs;
    this.#answered = false;
    this.connection.open(path, this, request);
  }

  message(bytes: Buffer, from: number, to: number): void {
    this.#answered = this.#check(bytes, from, to);
  }

  ended(code: number, text: string): void {
    this.#done(this, code !== 0 ? `${code} ${text}` : this.#answered ? '' : wrong);
  }
}

/** Clients that each call again as soon as they were answered. */
export class ClosedLoop extends Loop {
  readonly #calls: readonly OneCall[];
  readonly #asked: Asked;

  constructor(meter: Told, connections: readonly Connection[], clients: number, asked: Asked) {
    super(meter);
    this.#asked = asked;
    const done = (call: OneCall, problem: string): void => this.#done(call, problem);
    this.#calls = Array.from(
      { length: clients },
      (_, n) => new OneCall(connections[n % connections.length] as Connection, asked.check, done),
    );
  }

  start(): void {
    for (const call of this.#calls) {
      this.began();
      this.#again(call, performance.now());
    }
    for (const { connection } of this.#calls) connection.flush();
  }

  #again(call: OneCall, nowMs: number): void {
    const request = this.stopping || call.connection.closed ? undefined : this.#asked.next();
    if (request === undefined) this.over();
    else call.ask(this.#asked.path, request, nowMs);
  }

  #done(call: OneCall, problem: string): void {
    if (problem === '') this.meter.done(call.sentMs, call.connection.nowMs);
    else this.failed(problem);
    this.#again(call, call.connection.nowMs);
  }
}

/** Calls that begin when they are due, answered or not; their time counts from then. */
export class FixedRate extends Loop {
  readonly #connections: readonly Connection[];
  readonly #perSecond: number;
  readonly #asked: Asked;
  readonly #free: OneCall[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(meter: Told, connections: readonly Connection[], perSecond: number, asked: Asked) {
    super(meter);
    this.#connections = connections;
    this.#perSecond = perSecond;
    this.#asked = asked;
  }

  start(): void {
    const startMs = performance.now();
    let sent = 0;
    this.began();
    this.#timer = setInterval(() => {
      if (this.stopping) {
        clearInterval(this.#timer);
        this.over();
        return;
      }
      const due = ((performance.now() - startMs) * this.#perSecond) / 1_000;
      for (; sent < due; sent++) this.#send(sent, startMs + (sent * 1_000) / this.#perSecond);
    }, 1);
  }

  #send(n: number, dueMs: number): void {
    const request = this.#asked.next();
    if (request === undefined) return;
    this.began();
    const connection = this.#connections[n % this.#connections.length] as Connection;
    const call =
      this.#free.pop() ?? new OneCall(connection, this.#asked.check, (done, problem) => this.#done(done, problem));
    call.ask(this.#asked.path, request, dueMs);
    call.connection.flush();
  }

  #done(call: OneCall, problem: string): void {
    if (problem === '') this.meter.done(call.sentMs, call.connection.nowMs);
    else this.failed(problem);
    this.#free.push(call);
    this.over();
  }
}
