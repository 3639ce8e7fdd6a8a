/**
 * The token of a user with a password: fetched when it is first needed, once for all who wait, and again when a member calls it
 * invalid. Owns no retry: who was refused asks again.
 */
import type { Clock } from '../clock.ts';
import { CallFailure, leaseError } from '../errors.ts';
import { decode, encode } from '../wire/codec.ts';
import { calls } from '../wire/schema.ts';
import type { Members } from './members.ts';
import { type Patience, patiently } from './patience.ts';

/** A user of the cluster. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** One attempt to get a token, whoever waits for it. Members hash passwords slowly on purpose. */
const fetchMsMax = 5_000;

export class Tokens {
  readonly #members: Members;
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  /** Undefined within: the members check nobody, a token is neither to be had nor needed. */
  #held: { readonly token: string | undefined } | undefined;
  #fetching: Promise<string | undefined> | undefined;

  constructor(members: Members, credentials: Credentials, clock: Clock) {
    this.#members = members;
    this.#credentials = credentials;
    this.#clock = clock;
  }

  /** The token to send; undefined where authentication is off. Rejects with a `LeaseError`. */
  async current(patience: Patience): Promise<string | undefined> {
    if (this.#held !== undefined) return this.#held.token;
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return await patiently(this.#clock, this.#fetching, patience, () => 'no member gave out a token in time');
  }

  /** A member did not take this token: the next call fetches another, unless that has happened already. */
  refused(token: string | undefined): void {
    if (this.#held?.token === token) this.#held = undefined;
  }

  async #fetch(): Promise<string | undefined> {
    const { user: name, password } = this.#credentials;
    const channel = await this.#members.choose({ timeoutMs: fetchMsMax });
    const request = encode('AuthenticateRequest', { name, password });
    const options = { metadata: {}, timeoutMs: fetchMsMax };
    try {
      const answer = await channel.unary(calls.authenticate[0], request, options);
      this.#held = { token: decode('AuthenticateResponse', answer).token };
    } catch (cause) {
      if (!(cause instanceof CallFailure)) throw cause;
      const error = leaseError(cause, 'read');
      if (error.code !== 'auth_not_enabled') {
        if (error.retryable) this.#members.failed(channel, error);
        throw error;
      }
      this.#held = { token: undefined };
    }
    return this.#held.token;
  }
}
