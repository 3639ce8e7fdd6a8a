/**
 * A registration as its holder sees it: what it is at, the value it has, its events, and its end. `Keeping` does the
 * work.
 */
import { closedError, LeaseError } from '../errors.ts';
import type { Session } from '../lock/session.ts';
import type { CallSettings } from '../transport/calls.ts';
import { bytesOf, type Codec, type Duration, type KeyLike, type ValueLike } from '../values.ts';
import { RegisteredEvent, RegistrationLostEvent } from './events.ts';
import { Keeping, type RegistrationParts } from './keeping.ts';
import { type Tenure, tenureOf } from './tenure.ts';
import { Wanted } from './wanted.ts';

/** `signal` and `timeout` are those of the first registering; after that it lasts until it is closed. */
export interface RegisterSettings extends CallSettings {
  /**
   * How long the key outlives a process that no longer renews it; 15 s if not given. Whole seconds: a part of one is
   * rounded up.
   */
  readonly ttl?: Duration | undefined;
  /**
   * What it is to stand under, instead of a lease of its own. The session's end is then its end, and it is not put
   * again.
   */
  readonly session?: Session | undefined;
}

/** What to register. */
export interface RegistrationPlan<T> {
  /** The key may depend on the lease, and is then another one after each loss of it. */
  readonly keyOf: (lease: bigint) => KeyLike;
  readonly encode: (value: T) => Uint8Array;
  readonly value: T;
}

/** One key, and values as its codec writes them; as they are if there is none. */
export function planOf<T>(key: KeyLike, value: T, codec: Codec<T> | undefined): RegistrationPlan<T> {
  const encode = (next: T): Uint8Array => bytesOf(codec === undefined ? (next as ValueLike) : codec.encode(next));
  return { keyOf: () => key, encode, value };
}

type ListenOptions = Parameters<EventTarget['addEventListener']>[2];

const ttlDefault: Duration = '15s';

/**
 * A key that is there as long as its process is. When it is lost - its lease ended or could not be renewed in time, or
 * somebody deleted it - it is put again, under a lease that is held, after a pause that grows and that chance spreads.
 * Who registers takes the key, whosever it was. Whose key was taken leaves it to whoever has it and puts it again when
 * it is free: the last to register has it, and none fight.
 * @example
 * await using me = await client.register('workers/7', address, { ttl: '10s' });
 * me.addEventListener('lost', ({ reason }) => log.warn({ reason }));
 * me.addEventListener('registered', () => log.info('there again'));
 */
export class Registration<T> extends EventTarget implements AsyncDisposable {
  readonly #plan: RegistrationPlan<T>;
  readonly #timeoutMs: number;
  readonly #wanted: Wanted;
  readonly #keeping: Keeping;

  private constructor(parts: RegistrationParts, plan: RegistrationPlan<T>, tenure: Tenure) {
    super();
    this.#plan = plan;
    this.#timeoutMs = parts.core.timeoutMs;
    this.#wanted = new Wanted(plan.encode(plan.value), parts.core.clock);
    this.#keeping = new Keeping(parts, {
      keyOf: plan.keyOf,
      tenure,
      wanted: this.#wanted,
      registered: (revision) => this.dispatchEvent(new RegisteredEvent(revision)),
      lost: (reason) => this.dispatchEvent(new RegistrationLostEvent(reason)),
    });
  }

  /** Use `client.register`. Rejects, and leaves nothing, if the first registering fails. */
  static async open<T>(
    parts: RegistrationParts,
    plan: RegistrationPlan<T>,
    { ttl, session, ...settings }: RegisterSettings,
  ): Promise<Registration<T>> {
    if (session !== undefined && ttl !== undefined)
      throw new LeaseError('invalid_argument', 'both session and ttl; a session has its own ttl');
    const registration = new Registration(parts, plan, tenureOf(parts, session ?? ttl ?? ttlDefault));
    await registration.#keeping.begin(settings);
    return registration;
  }

  /**
   * Whether the key is there and this process's, as far as is known here. Compares the clocks of its lease, and waits
   * for nothing.
   */
  get registered(): boolean {
    return this.#keeping.place !== undefined;
  }

  /** The key as it is put now; undefined while it is lost. */
  get key(): KeyLike | undefined {
    return this.#keeping.place?.key;
  }

  /** Id of the lease that it is under; undefined while it is lost. */
  get lease(): bigint | undefined {
    return this.#keeping.place?.lease.id;
  }

  /** What the last attempt to register again failed with; undefined when it succeeded. */
  get failure(): LeaseError | undefined {
    return this.#keeping.failure;
  }

  /**
   * Sets the value. Resolves when it is written, which may be when the key is registered again. Rejects with `timeout`
   * or `cancelled` when that takes too long: it is then written later, unless a newer one is set. Rejects with `closed`
   * when it never will be.
   */
  async update(value: T, settings: CallSettings = {}): Promise<void> {
    if (this.#keeping.over) throw closedError('the registration');
    const { signal, timeout = this.#timeoutMs } = settings;
    await this.#wanted.want(this.#plan.encode(value), { signal, timeout });
  }

  /**
   * Deletes the key: ends its lease, or, under a session, that one key. No error where no member can be told: the key
   * is then gone when its TTL is over.
   */
  close(): Promise<void> {
    return this.#keeping.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  override addEventListener(
    type: 'registered',
    listener: (event: RegisteredEvent) => void,
    options?: ListenOptions,
  ): void;
  override addEventListener(
    type: 'lost',
    listener: (event: RegistrationLostEvent) => void,
    options?: ListenOptions,
  ): void;
  override addEventListener(...listening: Parameters<EventTarget['addEventListener']>): void;
  override addEventListener(type: string, listener: unknown, options?: ListenOptions): void {
    super.addEventListener(type, listener as (event: Event) => void, options);
  }

  override removeEventListener(type: 'registered', listener: (event: RegisteredEvent) => void): void;
  override removeEventListener(type: 'lost', listener: (event: RegistrationLostEvent) => void): void;
  override removeEventListener(...listening: Parameters<EventTarget['removeEventListener']>): void;
  override removeEventListener(type: string, listener: unknown): void {
    super.removeEventListener(type, listener as (event: Event) => void);
  }
}
