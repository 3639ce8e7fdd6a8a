/** Calls by method name with plain fields, and answers as plain values: bytes as text, 64-bit numbers as text or number. */
import { methodTypes, wireType } from '../../src/rpc/codec.ts';
import { bigintOf, type Int } from '../../src/rpc/int64.ts';
import { bytes, type RawStream, type Status, text, type WireClient } from './wire-client.ts';

/** Fields by their names in camelCase; text stands for bytes. */
export interface Fields {
  readonly [name: string]: string | number | Int | Uint8Array | Fields | readonly Fields[];
}
/** What came back. Headers keep nothing but their revision. */
export type Plain = { readonly [name: string]: unknown };

const services = {
  Lock: 'v3lockpb',
  Election: 'v3electionpb',
  KV: 'etcdserverpb',
  Lease: 'etcdserverpb',
} as const;

function pathOf(method: string): string {
  const [service = ''] = method.split('/');
  return `/${services[service as keyof typeof services]}.${method}`;
}

/** `Lock/Lock`, …: the answer, or the status it ended with. */
export async function plainCall(
  client: WireClient,
  method: string,
  fields: Fields,
  timeoutMs?: number,
): Promise<Plain | Status> {
  const path = pathOf(method);
  const types = methodTypes(path);
  const sent = wireType<object>(types.request).encode(sendable(fields));
  const answer = await client.raw(path, sent, {}, timeoutMs);
  return 'code' in answer ? answer : plainOf(wireType<object>(types.answer).decode(answer));
}

/** The same call, left open: it can be cancelled. */
export function plainStream(client: WireClient, method: string, fields: Fields): RawStream {
  const path = pathOf(method);
  return client.serverStream(path, wireType<object>(methodTypes(path).request).encode(sendable(fields)));
}

/** An open Observe stream. */
export function observe(client: WireClient, name: string): { readonly raw: RawStream; next(): Promise<string> } {
  const raw = client.serverStream(
    pathOf('Election/Observe'),
    wireType<object>('v3electionpb.LeaderRequest').encode({ name: bytes(name) }),
  );
  const next = async (): Promise<string> => {
    const answer = plainOf(wireType<object>('v3electionpb.LeaderResponse').decode(await raw.next()));
    const { header, kv } = answer as { header: Plain; kv: Plain };
    return `${kv['key']}=${kv['value']} c${kv['createRevision']} m${kv['modRevision']} at ${header['revision']}`;
  };
  return { raw, next };
}

function sendable(fields: Fields): object {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, sendableField(field)]));
}

function sendableField(field: Fields[string]): unknown {
  if (typeof field === 'string') return bytes(field);
  if (typeof field !== 'object' || field instanceof Uint8Array || 'low' in field) return field;
  return Array.isArray(field) ? field.map(sendable) : sendable(field as Fields);
}

function plainOf(message: object): Plain {
  const entries = Object.entries(message).map(([name, field]): [string, unknown] => {
    if (name === 'header') return [name, { revision: Number(bigintOf((field as { revision: Int }).revision)) }];
    return [name, plainField(field)];
  });
  return Object.fromEntries(entries);
}

function plainField(field: unknown): unknown {
  if (field instanceof Uint8Array) return text(field);
  if (Array.isArray(field)) return field.map(plainField);
  if (typeof field !== 'object' || field === null) return field;
  if (!('low' in field)) return plainOf(field);
  const wide = bigintOf(field as Int);
  return Number.isSafeInteger(Number(wide)) ? Number(wide) : String(wide);
}
