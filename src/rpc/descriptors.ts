/**
 * The files in `proto/` as `google.protobuf.FileDescriptorProto`s, made from protobufjs's reflection of them, as protoc would make
 * them but for two things: comments, and the `google.api.http` options with the import of Google's file that declares them (the
 * JSON gateway reads those, a gRPC client has no use for them). Knows proto3 as far as our files use it: a map or an extension in
 * one of them is an error at start, not a descriptor that lies.
 */
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';
import { assert } from '../base/assert.ts';
import { protoPath, reflectedRoot } from './codec.ts';

/** One file: its encoded descriptor, and the files whose types it names. */
export interface DescribedFile {
  readonly path: string;
  readonly encoded: Uint8Array;
  readonly imports: readonly string[];
}

export interface Descriptors {
  readonly files: ReadonlyMap<string, DescribedFile>;
  /** The path of the file that declares a symbol, by its full name without a leading dot. */
  readonly symbols: ReadonlyMap<string, string>;
  /** Full names of the message types. */
  readonly messages: ReadonlySet<string>;
}

/** Numbers of google.protobuf.FieldDescriptorProto. */
const labels = { optional: 1, repeated: 3 } as const;
const scalarTypes: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
};
const messageType = 11;
const enumType = 14;

/** A message of descriptor.proto as protobufjs takes it. */
type Described = Readonly<Record<string, unknown>>;

interface OpenFile {
  readonly package: string;
  readonly imports: Set<string>;
  readonly messageType: Described[];
  readonly enumType: Described[];
  readonly service: Described[];
}

/** Reads all of `proto/`; a few milliseconds, so ask once. */
export function describeProtos(): Descriptors {
  const open = new Map<string, OpenFile>();
  const symbols = new Map<string, string>();
  const messages = new Set<string>();
  visit(reflectedRoot());
  const files = new Map<string, DescribedFile>();
  for (const [path, { imports, ...parts }] of open) {
    const dependency = [...imports].filter((imported) => imported !== path).sort();
    const file = { name: path, ...parts, dependency, syntax: 'proto3' };
    const encoded = descriptor.FileDescriptorProto.encode(descriptor.FileDescriptorProto.fromObject(file)).finish();
    files.set(path, { path, encoded, imports: dependency });
  }
  return { files, symbols, messages };

  function visit(space: protobuf.NamespaceBase): void {
    for (const item of space.nestedArray) {
      if (item instanceof protobuf.Type) fileOf(item).messageType.push(message(item));
      else if (item instanceof protobuf.Enum) fileOf(item).enumType.push(enumeration(item));
      else if (item instanceof protobuf.Service) fileOf(item).service.push(service(item));
      else if (item instanceof protobuf.Namespace) visit(item);
      else assert(false, `proto/ declares ${item.fullName} in a way that cannot be described`);
    }
  }

  function fileOf(item: protobuf.ReflectionObject): OpenFile {
    const path = pathOf(item);
    const known = open.get(path);
    if (known !== undefined) return known;
    const made = {
      package: item.parent?.fullName.slice(1) ?? '',
      imports: new Set<string>(),
      messageType: [],
      enumType: [],
      service: [],
    };
    open.set(path, made);
    return made;
  }

  function declare(item: protobuf.ReflectionObject): void {
    symbols.set(item.fullName.slice(1), pathOf(item));
  }

  function message(type: protobuf.Type): Described {
    declare(type);
    messages.add(type.fullName.slice(1));
    return {
      name: type.name,
      field: type.fieldsArray.map((each) => field(each.resolve(), type)),
      oneofDecl: type.oneofsArray.map(({ name }) => ({ name: declaredName(name) })),
      nestedType: type.nestedArray.filter((item) => item instanceof protobuf.Type).map(message),
      enumType: type.nestedArray.filter((item) => item instanceof protobuf.Enum).map(enumeration),
      reservedRange: (type.reserved ?? [])
        .filter((one) => typeof one !== 'string')
        .map(([start, end]) => ({ start, end: (end ?? 0) + 1 })),
      reservedName: (type.reserved ?? []).filter((one) => typeof one === 'string'),
    };
  }

  function field(declared: protobuf.Field, parent: protobuf.Type): Described {
    assert(!declared.map, `${declared.fullName} is a map`);
    const name = declared.protoName ?? declared.name;
    symbols.set(`${parent.fullName.slice(1)}.${name}`, pathOf(parent));
    const { resolvedType, partOf } = declared;
    return {
      name,
      number: declared.id,
      label: declared.repeated ? labels.repeated : labels.optional,
      jsonName: declared.jsonName ?? declared.name,
      ...(resolvedType === null
        ? { type: scalarTypes[declared.type] }
        : {
            type: resolvedType instanceof protobuf.Enum ? enumType : messageType,
            typeName: nameOf(resolvedType, pathOf(parent)),
          }),
      ...(partOf === null ? {} : { oneofIndex: parent.oneofsArray.indexOf(partOf) }),
    };
  }

  function enumeration(declared: protobuf.Enum): Described {
    declare(declared);
    // As in C++, a value is a sibling of its enum.
    const scope = declared.parent?.fullName.slice(1) ?? '';
    const values = Object.entries(declared.values);
    for (const [name] of values) symbols.set(`${scope}.${name}`, pathOf(declared));
    return { name: declared.name, value: values.map(([name, number]) => ({ name, number })) };
  }

  function service(declared: protobuf.Service): Described {
    declare(declared);
    const method = declared.methodsArray.map((each) => {
      const { resolvedRequestType, resolvedResponseType } = each;
      assert(resolvedRequestType !== null && resolvedResponseType !== null, `${each.fullName} has no types`);
      symbols.set(each.fullName.slice(1), pathOf(declared));
      return {
        name: each.name,
        inputType: nameOf(resolvedRequestType, pathOf(declared)),
        outputType: nameOf(resolvedResponseType, pathOf(declared)),
        ...(each.requestStream ? { clientStreaming: true } : {}),
        ...(each.responseStream ? { serverStreaming: true } : {}),
      };
    });
    return { name: declared.name, method };
  }

  /** A type as a descriptor names it, and a note that the file which names it needs the file that has it. */
  function nameOf(type: protobuf.ReflectionObject, from: string): string {
    open.get(from)?.imports.add(pathOf(type));
    return type.fullName;
  }
}

/** protobufjs keeps a oneof's name in camel case only. */
function declaredName(camelCase: string): string {
  return camelCase.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Only what stands at the top of a file knows the file. */
function pathOf(item: protobuf.ReflectionObject): string {
  for (let at: protobuf.ReflectionObject | null = item; at !== null; at = at.parent) {
    if (at.filename !== null) return protoPath(at.filename);
  }
  throw new Error(`${item.fullName} is in no file`);
}
