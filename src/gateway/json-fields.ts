/**
 * What the JSON of a message looks like, once per type: made from the proto files by reflection. Every name here is a name in
 * `proto/`, so a field that is added there is read and printed without a word of code.
 */
import protobuf from 'protobufjs';
import { reflected } from '../rpc/codec.ts';

export type FieldKind = 'int32' | 'uint32' | 'int64' | 'uint64' | 'bool' | 'string' | 'bytes' | 'enum' | 'message';

export interface JsonField {
  /** The property of a decoded message. */
  readonly property: string;
  /** As declared (`create_revision`), which is how etcd prints it and reads it. */
  readonly name: string;
  /** proto3's own JSON name (`createRevision`), which is read as well, and before the other. */
  readonly camelName: string;
  readonly kind: FieldKind;
  readonly repeated: boolean;
  /** Properties of which no two are set; undefined: it is in no oneof. */
  readonly oneof: readonly string[] | undefined;
  /** Go's name of its type, which etcd's errors mention. */
  readonly goType: string;
  readonly enumNumbers: ReadonlyMap<string, number>;
  readonly enumNames: ReadonlyMap<number, string>;
  /** The message it holds, if it holds one. */
  readonly message: () => JsonMessage;
}

export interface JsonMessage {
  readonly type: protobuf.Type;
  /** In the order of the declaration, which is the order of printing. */
  readonly fields: readonly JsonField[];
  /** In the order in which Go reads, and so finds fault: what is in a oneof comes last. */
  readonly readOrder: readonly JsonField[];
  /** Both names of every field. */
  readonly names: ReadonlySet<string>;
}

/** A cache of reflections: the same for everybody, filled as types are first met. */
export class JsonTypes {
  readonly #messages = new Map<protobuf.Type, JsonMessage>();

  /** By full name, e.g. `etcdserverpb.PutRequest`. */
  named(typeName: string): JsonMessage {
    return this.#of(reflected(typeName));
  }

  #of(type: protobuf.Type): JsonMessage {
    const known = this.#messages.get(type);
    if (known !== undefined) return known;
    const fields = type.fieldsArray.map((field) => this.#field(field.resolve()));
    const made: JsonMessage = {
      type,
      fields,
      readOrder: [...fields.filter((field) => field.oneof === undefined), ...fields.filter((field) => field.oneof)],
      names: new Set(fields.flatMap((field) => [field.name, field.camelName])),
    };
    this.#messages.set(type, made);
    return made;
  }

  #field(field: protobuf.Field): JsonField {
    const { resolvedType } = field;
    const values = resolvedType instanceof protobuf.Enum ? Object.entries(resolvedType.values) : [];
    return {
      property: field.name,
      name: field.protoName ?? field.name,
      camelName: field.jsonName ?? field.name,
      kind: kindOf(field),
      repeated: field.repeated,
      oneof: field.partOf?.fieldsArray.map((one) => one.name),
      goType: goTypeOf(field),
      enumNumbers: new Map(values),
      enumNames: new Map(values.map(([name, number]) => [number, name])),
      message: () => {
        if (!(resolvedType instanceof protobuf.Type)) throw new Error(`${field.fullName} holds no message`);
        return this.#of(resolvedType);
      },
    };
  }
}

function kindOf({ resolvedType, type, fullName }: protobuf.Field): FieldKind {
  if (resolvedType instanceof protobuf.Enum) return 'enum';
  if (resolvedType instanceof protobuf.Type) return 'message';
  switch (type) {
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
    case 'bool':
    case 'string':
    case 'bytes':
      return type;
    default:
      throw new Error(`${fullName}: the gateway has no JSON for ${type}`);
  }
}

/** As reflection of Go's generated code prints it: `[]uint8`, `etcdserverpb.RangeRequest_SortOrder`. */
function goTypeOf({ resolvedType, type }: protobuf.Field): string {
  if (resolvedType instanceof protobuf.Type) return 'map[string]json.RawMessage';
  if (type === 'bytes') return '[]uint8';
  if (resolvedType === null) return type;
  const [space = '', ...names] = resolvedType.fullName.slice(1).split('.');
  return `${space}.${names.join('_')}`;
}
