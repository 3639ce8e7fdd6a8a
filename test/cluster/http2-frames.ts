/** Random HTTP/2 frames for the fuzzer, most of them such as a gRPC client could send. */
import type { Prng } from '../../src/base/prng.ts';
import { declaredMethods, methodTypes } from '../../src/rpc/codec.ts';
import { randomRequest } from '../rpc/random-requests.ts';
import { http2Frame } from './wire.ts';

/** A frame that fits what came before, more often than not: a call is opened, fed, reset, while others go on. */
export function anyFrame(random: Prng, streams: number[], paths: readonly string[]): Buffer {
  const known = streams.length > 0 && random.chance(0.9) ? random.pick(streams) : random.below(40);
  switch (random.below(8)) {
    case 0:
    case 1: {
      const stream = random.chance(0.95) ? 2 * streams.length + 1 : random.below(20);
      streams.push(stream);
      const path = random.pick(paths);
      const head = {
        ':method': random.chance(0.95) ? 'POST' : 'GET',
        ':scheme': 'http',
        ':path': path,
        ':authority': 'a',
        ...(random.chance(0.8) ? { 'content-type': 'application/grpc' } : {}),
        ...(random.chance(0.8) ? { te: 'trailers' } : {}),
        ...(random.chance(0.2) ? { 'grpc-timeout': random.pick(['1m', '0n', '99999999H', 'x', '-1S']) } : {}),
        ...(random.chance(0.1) ? { 'grpc-encoding': random.pick(['gzip', 'deflate', 'br', '']) } : {}),
        ...(random.chance(0.1) ? { 'x-bin': random.pick(['!!!', 'AAAA', '']) } : {}),
        ...(random.chance(0.05) ? { hasleader: 'true' } : {}),
      };
      return http2Frame(1, random.chance(0.1) ? 5 : 4, stream, headerBlock(head));
    }
    case 2:
    case 3: {
      const kinds = declaredMethods();
      const body = randomRequest(methodTypes(random.pick([...kinds.keys()])).request, random);
      const prefix = Buffer.alloc(5);
      prefix[0] = random.chance(0.95) ? 0 : random.below(256);
      prefix.writeUInt32BE(random.chance(0.95) ? body.length : random.uint32(), 1);
      return http2Frame(0, random.chance(0.6) ? 1 : 0, known, Buffer.concat([prefix, body]));
    }
    case 4:
      return http2Frame(3, 0, known, Buffer.from([0, 0, 0, random.below(14)]));
    case 5:
      return http2Frame(
        8,
        0,
        random.chance(0.5) ? 0 : known,
        Buffer.from([0, 0, random.below(256), random.below(256)]),
      );
    case 6:
      return random.chance(0.5)
        ? http2Frame(6, random.below(2), 0, Buffer.alloc(8, random.below(256)))
        : http2Frame(4, 0, 0, Buffer.from([0, random.between(1, 6), 0, 0, random.below(256), random.below(256)]));
    default:
      return random.chance(0.1)
        ? http2Frame(random.below(12), random.below(256), known, Buffer.alloc(random.below(64), random.below(256)))
        : http2Frame(2, 0, known, Buffer.from([0, 0, 0, 1, 16]));
  }
}

/** Header fields as HPACK literals without indexing. */
function headerBlock(fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [
      Buffer.of(0, name.length),
      Buffer.from(name),
      Buffer.of(value.length),
      Buffer.from(value),
    ]),
  );
}
