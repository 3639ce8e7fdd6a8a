/** Random requests for the fuzzers: messages built field by field after the proto files, then bent at random. */
import protobuf from 'protobufjs';
import type { Prng } from '../../src/base/prng.ts';
import { reflected } from '../../src/rpc/codec.ts';

const keys = ['', 'a', 'b', 'c', 'a\xff', '\0', '\xff\xff', 'key/1', 'key/2', 'k'.repeat(300)];
const wide = [0, 1, 2, 3, 7, 8, 60, 1000, -1, -2, 2 ** 31, 2 ** 53 - 1, -(2 ** 53) + 1];

/** Bytes of a request of that type: mostly valid, sometimes bent. */
export function randomRequest(typeName: string, random: Prng): Uint8Array {
  const type = reflected(typeName);
  const valid = Buffer.from(type.encode(randomMessage(type, random, 0)).finish());
  return random.chance(0.5) ? valid : bent(valid, random);
}

function randomMessage(type: protobuf.Type, random: Prng, depth: number): protobuf.Message {
  const message: Record<string, unknown> = {};
  for (const field of type.fieldsArray) {
    if (random.chance(depth > 3 ? 0.8 : 0.4)) continue;
    message[field.name] = field.repeated
      ? Array.from({ length: random.below(random.chance(0.02) ? 140 : 3) }, () => randomValue(field, random, depth))
      : randomValue(field, random, depth);
  }
  return message as unknown as protobuf.Message;
}

function randomValue(field: protobuf.Field, random: Prng, depth: number): unknown {
  if (field.resolvedType instanceof protobuf.Type) return randomMessage(field.resolvedType, random, depth + 1);
  if (field.resolvedType instanceof protobuf.Enum) return random.chance(0.95) ? random.below(5) : random.uint32() | 0;
  switch (field.type) {
    case 'bool':
      return random.chance(0.3);
    case 'bytes':
      return Buffer.from(random.chance(0.9) ? random.pick(keys) : randomText(random), 'latin1');
    case 'string':
      return random.chance(0.5) ? '' : randomText(random);
    default:
      return random.chance(0.8)
        ? random.pick(wide)
        : { low: random.uint32() | 0, high: random.uint32() | 0, unsigned: false };
  }
}

function randomText(random: Prng): string {
  return Array.from({ length: random.below(40) }, () => String.fromCharCode(random.below(256))).join('');
}

/** Flips, cuts, doubles or replaces bytes. */
function bent(valid: Buffer, random: Prng): Buffer {
  let raw: Buffer = Buffer.from(valid);
  for (let bends = random.between(1, 4); bends > 0; bends--) {
    const at = random.below(raw.length + 1);
    switch (random.below(5)) {
      case 0:
        if (at < raw.length) raw[at] = (raw[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        raw = raw.subarray(0, at);
        break;
      case 2:
        raw = Buffer.concat([raw, raw.subarray(at)]);
        break;
      case 3:
        raw = Buffer.concat([raw.subarray(0, at), Buffer.from(randomText(random), 'latin1'), raw.subarray(at)]);
        break;
      default:
        raw = Buffer.concat([raw.subarray(0, at), Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), raw.subarray(at)]);
    }
  }
  return raw;
}
