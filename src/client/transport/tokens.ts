/**
 * The token of a user with a password: fetched when it is first needed, once for all who wait, and again when a member calls it
 * invalid. Owns no retry: who was refused asks again.
 */
import { CallFailure, LeaseError, leaseError } from '../errors.ts';
import { decode, encode } from '../wire/codec.ts';
import { calls } from '../wire/schema.ts';
import type { Members } from './members.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export class Tokens {
  readonly #members: Members;
  readonly #credentials: Credentials;
  #token: string | undefined;
  /** The members check nobody: a token is neither to be had nor needed. */
  #unneeded = false;
  #fetching: Promise<void> | undefined;

  constructor(members: Members, credentials: Credentials) {
    this.#members = members;
    this.#credentials = credentials;
  }

  /** The token to send; undefined where authentication is off. Rejects with a `LeaseError`. */
  async current(timeoutMs: number): Promise<string | undefined> {
    while (this.#token === undefined && !this.#unneeded) {
      this.#fetching ??= this.#fetch(timeoutMs).finally(() => {
        this.#fetching = undefined;
      });
      await this.#fetching;
    }
    return this.#token;
  }

  /** A member called the token invalid: the next call fetches another. */
  refused(): void {
    this.#token = undefined;
    this.#unneeded = false;
  }

  async #fetch(timeoutMs: number): Promise<void> {
    const { user: name, password } = this.#credentials;
    const channel = await this.#members.choose({ timeoutMs });
    try {
      const request = encode('AuthenticateRequest', { name, password });
      const answer = await channel.unary(calls.authenticate[0], request, { metadata: {}, timeoutMs });
      this.#token = decode('AuthenticateResponse', answer).token;
    } catch (cause) {
      if (!(cause instanceof CallFailure)) throw cause;
      const error = leaseError(cause, 'read');
      if (error.code === 'auth_not_enabled') this.#unneeded = true;
      else {
        if (error instanceof LeaseError && error.code === 'unavailable') this.#members.failed(channel);
        throw error;
      }
    }
  }
}
