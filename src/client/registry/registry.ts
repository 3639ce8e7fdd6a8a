/**
 * A service registry: who runs where. An instance is a registration under its service's name, in a layout that others
 * read too; who looks for instances reads them once or follows them.
 */
import { onAbort } from '../abort.ts';
import { sleep } from '../clock.ts';
import { closedError, LeaseError } from '../errors.ts';
import { listAll } from '../kv/pages.ts';
import type { KeyValue } from '../kv/views.ts';
import type { CallSettings } from '../transport/calls.ts';
import { bytesOf, type Duration } from '../values.ts';
import { isFinal, pauseAfter } from '../watch/lanes.ts';
import { View } from '../watch/view.ts';
import type { RegistrationParts } from './keeping.ts';
import { type Instance, type InstanceInput, type Layout, type LayoutName, layoutOf } from './layout.ts';
import { type RegisterSettings, Registration } from './registration.ts';

export interface RegistryOptions {
  /**
   * `grpc-naming` if not given: what etcd's own resolver for Go reads, `SERVICE/ADDR`. `go-zero`: `SERVICE/LEASE`.
   * `kratos`: `/microservices/SERVICE/ID`. Or one of your own.
   */
  readonly format?: LayoutName | Layout | undefined;
  /** In front of services' names, instead of the layout's own. */
  readonly prefix?: string | undefined;
  /** How long an instance outlives its process; 15 s if not given. */
  readonly ttl?: Duration | undefined;
}

export interface FollowOptions {
  /** Ends it quietly. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each attempt to begin that failed; the next follows by itself. */
  readonly troubled?: ((error: LeaseError) => void) | undefined;
}

/** Made by `client.registry()`; asks nothing by itself. */
export class Registry {
  readonly #parts: RegistrationParts;
  readonly #layout: Layout;
  readonly #prefix: string;
  readonly #ttl: Duration | undefined;

  constructor(parts: RegistrationParts, { format = 'grpc-naming', prefix, ttl }: RegistryOptions) {
    this.#parts = parts;
    this.#layout = layoutOf(format);
    this.#prefix = prefix ?? this.#layout.prefix;
    this.#ttl = ttl;
  }

  /**
   * Registers an instance for as long as this process holds it; it is registered again whenever that is lost. See
   * `Registration`.
   * @example
   * await using me = await registry.register('users', { addr: '10.0.0.5:50051', metadata: { zone: 'a' } });
   * await me.update({ addr: '10.0.0.5:50051', metadata: { zone: 'a', draining: true } });
   */
  async register(
    service: string,
    instance: InstanceInput,
    settings: RegisterSettings = {},
  ): Promise<Registration<InstanceInput>> {
    const prefix = this.#keysOf(service);
    const layout = this.#layout;
    // The key stays what it is when the value changes.
    const idOf = (lease: bigint): string => layout.idOf(instance, lease);
    const plan = {
      keyOf: (lease: bigint) => `${prefix}${idOf(lease)}`,
      encode: (input: InstanceInput) => {
        if (input.addr === '') throw new LeaseError('invalid_argument', 'addr is empty');
        return bytesOf(layout.encode(service, idOf(0n), input));
      },
      value: instance,
    };
    const ttl = settings.session === undefined ? this.#ttl : undefined;
    return await Registration.open(this.#parts, plan, { ttl, ...settings });
  }

  /** The instances of a service now, in the order of their keys. */
  async instances(service: string, settings: CallSettings = {}): Promise<readonly Instance[]> {
    const { items } = await listAll<Uint8Array>(this.#parts.core, { prefix: this.#keysOf(service) }, settings);
    return this.#read(service, items);
  }

  /**
   * The instances of a service: all of them as soon as they are known, and again, all, after each change. One who is
   * slow finds the newest. Waits for members that are away, whose last word holds meanwhile. Ends quietly with the
   * signal; throws when the client is closed, or when a member refuses for good.
   * @example
   * for await (const instances of registry.watch('users', { signal })) pool.use(instances.map(({ addr }) => addr));
   */
  async *watch(
    service: string,
    { signal, troubled }: FollowOptions = {},
  ): AsyncGenerator<readonly Instance[], void, undefined> {
    const { closed } = this.#parts.core;
    const stop = new AbortController();
    const undoes = [signal, closed].map((one) => (one === undefined ? () => {} : onAbort(one, () => stop.abort())));
    try {
      const view = await this.#view(service, stop.signal, troubled);
      if (view !== undefined) yield* this.#lists(service, view, stop.signal);
      if (closed.aborted && signal?.aborted !== true) throw closedError('the client');
    } finally {
      for (const undo of undoes) undo();
    }
  }

  async *#lists(
    service: string,
    view: View,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Instance[], void, undefined> {
    try {
      let { revision } = view;
      const changes = view.changes({ signal });
      let next = changes.next();
      // Changes are followed from here on, before the first list is looked at; if that fails, the loop below says so.
      next.catch(() => {});
      yield this.#read(service, view.entries());
      for (;;) {
        if ((await next).done === true) return;
        // Changes come by key, and the list before may have had this one.
        if (view.revision !== revision) {
          ({ revision } = view);
          yield this.#read(service, view.entries());
        }
        next = changes.next();
      }
    } finally {
      view.close();
    }
  }

  /** Undefined when the signal fired first. */
  async #view(service: string, signal: AbortSignal, troubled: FollowOptions['troubled']): Promise<View | undefined> {
    const { lanes, core } = this.#parts;
    const range = { prefix: this.#keysOf(service) };
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        return await View.open(lanes, range, undefined, { signal });
      } catch (cause) {
        if (signal.aborted) return undefined;
        const error = cause instanceof LeaseError ? cause : new LeaseError('internal', String(cause), { cause });
        if (isFinal(error)) throw error;
        troubled?.(error);
        await sleep(core.clock, pauseAfter(core, failures), signal);
      }
    }
    return undefined;
  }

  #keysOf(service: string): string {
    if (service === '') throw new LeaseError('invalid_argument', 'the name of the service is empty');
    return `${this.#prefix}${service}/`;
  }

  #read(service: string, items: readonly KeyValue[]): readonly Instance[] {
    const prefix = this.#keysOf(service);
    return items.flatMap(({ keyText, bytes, lease }) => {
      const read = this.#decoded(service, bytes);
      if (read === undefined) return [];
      const { addr, metadata, version = '', endpoints = [] } = read;
      const id = keyText.slice(prefix.length);
      return [{ service, id, addr, metadata, version, endpoints, key: keyText, lease }];
    });
  }

  #decoded(service: string, bytes: Uint8Array): ReturnType<Layout['decode']> {
    try {
      return this.#layout.decode(service, bytes);
    } catch {
      return undefined;
    }
  }
}
