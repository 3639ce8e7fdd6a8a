/**
 * How instances of services are written down: the layouts of others, readable and writable as their makers do it. What
 * stands under a service's keys and cannot be read is no instance, and troubles nobody.
 */
import { LeaseError } from '../errors.ts';
import { textOf } from '../values.ts';

/** What is to be registered. */
export interface InstanceInput {
  /** `host:port`, as clients reach it. */
  readonly addr: string;
  /**
   * Tells it apart from the others; its address if not given. go-zero: decimal digits, and its lease's id if not given.
   */
  readonly id?: string | undefined;
  /** Whatever its readers make of it. Kratos: an object of strings. go-zero has no place for it. */
  readonly metadata?: unknown;
  /** Kratos only. */
  readonly version?: string | undefined;
  /** Kratos only: `scheme://host:port` each; `grpc://` and the address if not given. */
  readonly endpoints?: readonly string[] | undefined;
}

/** One that is registered, by whomever. */
export interface Instance {
  readonly service: string;
  readonly id: string;
  readonly addr: string;
  /** Undefined if there is none. */
  readonly metadata: unknown;
  /** Empty where the layout has none. */
  readonly version: string;
  readonly endpoints: readonly string[];
  /** Without the client's namespace. */
  readonly key: string;
  /** 0 if it stands without one, and so does not end by itself. */
  readonly lease: bigint;
}

/** What a value says, and how it names itself. */
export interface Read {
  readonly addr: string;
  readonly metadata?: unknown;
  readonly version?: string;
  readonly endpoints?: readonly string[];
}

/** A way to write instances down. */
export interface Layout {
  /** In front of the keys of all services, if no other is given. */
  readonly prefix: string;
  /** What follows the service's name and a `/`. Throws `invalid_argument` for what it cannot name. */
  idOf(instance: InstanceInput, lease: bigint): string;
  /** Throws `invalid_argument` for what has no place in it. */
  encode(service: string, id: string, instance: InstanceInput): string;
  /** Undefined for what is no instance of that service. May throw as JSON.parse does. */
  decode(service: string, bytes: Uint8Array): Read | undefined;
}

/** The layouts by name. */
export type LayoutName = 'grpc-naming' | 'go-zero' | 'kratos';

/**
 * etcd's `clientv3/naming`: `SERVICE/ADDR` → `{"Op":0,"Addr":…,"Metadata":…}`. Keys that Go reads whatever their case.
 */
const grpcNaming: Layout = {
  prefix: '',
  idOf: ({ id, addr }) => id ?? addr,
  encode: (_service, _id, { addr, metadata = null, ...other }) => {
    onlyIn('kratos', other);
    return JSON.stringify({ Op: 0, Addr: addr, Metadata: metadata });
  },
  decode: (_service, bytes) => {
    const fields = fieldsOf(bytes);
    const addr = fields.get('addr');
    const op = fields.get('op') ?? 0;
    if (typeof addr !== 'string' || addr === '' || op !== 0) return undefined;
    return { addr, metadata: fields.get('metadata') ?? undefined };
  },
};

/** go-zero's `core/discov`: `SERVICE/LEASE` in decimal digits → the bare address. */
const goZero: Layout = {
  prefix: '',
  idOf: ({ id }, lease) => {
    if (id === undefined) return lease.toString();
    if (/^\d+$/.test(id)) return id;
    throw new LeaseError('invalid_argument', `id ${JSON.stringify(id)}: ids of go-zero are decimal digits`);
  },
  encode: (_service, _id, { addr, id, metadata, ...other }) => {
    if (metadata !== undefined)
      throw new LeaseError('invalid_argument', 'metadata has no place in the layout of go-zero');
    onlyIn('kratos', other);
    return addr;
  },
  decode: (_service, bytes) => {
    const addr = textOf(bytes);
    return /^[^\s{}"]+$/.test(addr) ? { addr } : undefined;
  },
};

/**
 * Kratos' `contrib/registry/etcd`: `/microservices/NAME/ID` →
 * `{"id":…,"name":…,"version":…,"metadata":{…},"endpoints":["grpc://…"]}`.
 */
const kratos: Layout = {
  prefix: '/microservices/',
  idOf: ({ id, addr }) => id ?? addr,
  encode: (service, id, { addr, metadata = null, version = '', endpoints = [`grpc://${addr}`] }) => {
    if (!isStrings(metadata))
      throw new LeaseError('invalid_argument', 'metadata of Kratos is an object whose values are strings');
    return JSON.stringify({ id, name: service, version, metadata, endpoints });
  },
  decode: (service, bytes) => {
    const fields = fieldsOf(bytes);
    const { endpoints, addr } = endpointsOf(fields.get('endpoints'));
    if (fields.get('name') !== service || addr === undefined) return undefined;
    const version = fields.get('version');
    const metadata = fields.get('metadata') ?? undefined;
    return { addr, metadata, version: typeof version === 'string' ? version : '', endpoints };
  },
};

const layouts: Readonly<Record<LayoutName, Layout>> = { 'grpc-naming': grpcNaming, 'go-zero': goZero, kratos };

/** Throws `invalid_argument` for a name that it does not know. */
export function layoutOf(format: LayoutName | Layout): Layout {
  const layout = typeof format === 'string' ? layouts[format] : format;
  if (layout !== undefined) return layout;
  const known = Object.keys(layouts).join(', ');
  throw new LeaseError('invalid_argument', `format ${JSON.stringify(format)} is none of ${known}`);
}

/** A JSON object's fields by their names in lower case; none if it is no object. */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  const value: unknown = JSON.parse(textOf(bytes));
  const object = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  return new Map(Object.entries(object).map(([name, field]) => [name.toLowerCase(), field]));
}

/** The address is that of the first endpoint that speaks gRPC; of the first at all if none does. */
function endpointsOf(field: unknown): { readonly endpoints: readonly string[]; readonly addr: string | undefined } {
  const endpoints = Array.isArray(field) ? field.filter((each): each is string => typeof each === 'string') : [];
  const chosen = endpoints.find((each) => /^grpcs?:\/\//.test(each)) ?? endpoints[0] ?? '';
  return { endpoints, addr: /^[a-z][a-z0-9+.-]*:\/\/([^/?#]+)/.exec(chosen)?.[1] };
}

function isStrings(metadata: unknown): boolean {
  if (metadata === null) return true;
  return typeof metadata === 'object' && Object.values(metadata).every((each) => typeof each === 'string');
}

function onlyIn(layout: LayoutName, { version, endpoints }: Pick<InstanceInput, 'version' | 'endpoints'>): void {
  if (version !== undefined || endpoints !== undefined)
    throw new LeaseError('invalid_argument', `version and endpoints have a place in the layout ${layout} only`);
}
