/**
 * A connection between a client's process and a member, as both ends see it: either may find out at another time than the other, or never,
 * that it is gone. What an end sends before that arrives in order. Knows no call.
 */
import type { Timer } from '../clock.ts';
import type { Host } from './host.ts';
import type { Link, Network } from './network.ts';

/** One end, as the other one knows it. */
export interface ConnectionUser {
  /** The other end is gone, or takes itself for gone. Called once. */
  dropped(): void;
}

/** How long an end hears nothing before it asks, and then before it gives up. */
export interface PingTimes {
  readonly everyMs: number;
  readonly answerMsMax: number;
}

/** Who takes connections. */
export interface Acceptor {
  readonly host: Host;
  /** Undefined: nobody listens. */
  accept(end: ConnectionEnd): ConnectionUser | undefined;
}

export class ConnectionEnd {
  readonly host: Host;
  readonly #there: Link;
  readonly #ping: PingTimes;
  #user: ConnectionUser | undefined;
  #other: ConnectionEnd | undefined;
  #up = false;
  #heardMs = 0;
  #pinger: Timer | undefined;

  constructor(host: Host, there: Link, ping: PingTimes) {
    this.host = host;
    this.#there = there;
    this.#ping = ping;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Set once it has begun. */
  get other(): ConnectionEnd | undefined {
    return this.#other;
  }

  begin(other: ConnectionEnd, user: ConnectionUser): void {
    this.#other = other;
    this.#user = user;
    this.#up = true;
    this.#heardMs = this.host.monotonicMs();
    this.#ask();
  }

  /** `step` runs at the other end, unless the connection is gone by then. */
  send(step: () => void): void {
    const other = this.#other;
    if (!this.#up || other === undefined) return;
    this.#there.carry(() => other.#arrive(step));
  }

  /** This end closes the connection, or its process has ended; its user is not told. The other end hears of it. */
  close(): void {
    const other = this.#other;
    if (!this.#up || other === undefined) return;
    this.forget();
    this.#there.carry(() => other.#hearsOfEnd());
  }

  /** The connection is gone at this end, without a word to the other. Its user is told. */
  drop(): void {
    if (!this.#up) return;
    this.forget();
    this.#user?.dropped();
  }

  /** The connection breaks here and now; the user is told when its process can hear it. */
  break(): void {
    if (!this.#up) return;
    this.forget();
    this.host.receive(() => this.#user?.dropped());
  }

  /** The connection is gone at this end and nobody is told. */
  forget(): void {
    this.#up = false;
    this.#pinger?.cancel();
  }

  #arrive(step: () => void): void {
    // A kernel that knows no such connection says so.
    if (!this.#up) {
      const other = this.#other;
      if (other !== undefined) this.#there.carry(() => other.#hearsOfEnd());
      return;
    }
    this.host.receive(() => {
      if (!this.#up) return;
      this.#heardMs = this.host.monotonicMs();
      step();
    });
  }

  #hearsOfEnd(): void {
    this.host.receive(() => this.drop());
  }

  /** Asks the other end for a sign of life when it has been silent for long, again and again. */
  #ask(): void {
    const { everyMs, answerMsMax } = this.#ping;
    const silentMs = this.host.monotonicMs() - this.#heardMs;
    if (silentMs < everyMs) {
      this.#pinger = this.host.after(everyMs - silentMs, () => this.#ask());
      return;
    }
    const askedMs = this.host.monotonicMs();
    this.send(() => this.#other?.send(() => {}));
    this.#pinger = this.host.after(answerMsMax, () => {
      if (this.#heardMs >= askedMs) this.#ask();
      else {
        const other = this.#other;
        this.drop();
        if (other !== undefined) this.#there.carry(() => other.#hearsOfEnd());
      }
    });
  }
}

/** What came of an attempt to connect. */
export interface Dialling {
  up(end: ConnectionEnd): ConnectionUser;
  /** The other host answers and nobody listens there. */
  refused(): void;
}

/** One attempt; it may take for ever. */
export function dial(
  network: Network,
  from: Host,
  to: Acceptor,
  pings: { readonly client: PingTimes; readonly server: PingTimes },
  dialling: Dialling,
): void {
  const there = network.link(from, to.host);
  const back = network.link(to.host, from);
  const near = new ConnectionEnd(from, there, pings.client);
  const far = new ConnectionEnd(to.host, back, pings.server);
  const refused = (): void => back.carry(() => from.receive(() => dialling.refused()));
  there.carry(() => {
    if (to.host.gone) return refused();
    to.host.receive(() => {
      const user = to.accept(far);
      if (user === undefined) return refused();
      far.begin(near, user);
      back.carry(() =>
        from.receive(() => {
          // The far end may be gone again; then its word of that is already on the way.
          near.begin(far, dialling.up(near));
        }),
      );
    });
  });
}
