/** A txn's result knows which branch it is of, and what each operation of it says. Types; nothing is sent. */
import { expectTypeOf, test } from 'vitest';
import {
  type Client,
  type Deleted,
  json,
  type KeyValue,
  type Listing,
  type Txn,
  type Written,
} from '../../../src/client/client.ts';

declare const client: Client;

type Result<T> = T extends { commit(): Promise<infer R> } ? R : never;
type Branch<T, Succeeded extends boolean> =
  Extract<Result<T>, { succeeded: Succeeded }> extends { readonly responses: infer R } ? R : never;

test('tuples by branch', () => {
  const build = () =>
    client
      .txn()
      .if((c) => [c.key('k').version.eq(0n)])
      .then((t) => [t.put('k', 'v'), t.get('k', { codec: json<number>() }), t.list({ all: true })])
      .else((t) => t.delete('k'));
  expectTypeOf<Branch<ReturnType<typeof build>, true>>().toEqualTypeOf<
    readonly [Written, KeyValue<number> | undefined, Listing]
  >();
  expectTypeOf<Branch<ReturnType<typeof build>, false>>().toEqualTypeOf<readonly [Deleted]>();
});

test('as const is as good; no branch is an empty one; txns nest', () => {
  const build = () => client.txn().then((t) => [t.txn((n) => n.then((u) => [u.count('k')] as const))] as const);
  expectTypeOf<Branch<ReturnType<typeof build>, false>>().toEqualTypeOf<readonly []>();
  type Inner = Extract<Branch<ReturnType<typeof build>, true>[0], { succeeded: true }>['responses'];
  expectTypeOf<Inner>().toEqualTypeOf<readonly [number]>();
  expectTypeOf<ReturnType<Client['txn']>>().toEqualTypeOf<Txn>();
});

test('values without a codec are bytes; with one they are what it says, and nothing else can be written', () => {
  expectTypeOf(() => client.get('k')).returns.resolves.toEqualTypeOf<KeyValue | undefined>();
  expectTypeOf(() => client.get('k', { codec: json<Date>() })).returns.resolves.toEqualTypeOf<
    KeyValue<Date> | undefined
  >();
  const codec = json<{ a: number }>();
  // @ts-expect-error: no such value.
  expectTypeOf(() => client.put('k', { b: 1 }, { codec })).toBeFunction();
  // @ts-expect-error: an object needs a codec.
  expectTypeOf(() => client.put('k', { a: 1 })).toBeFunction();
});
