/**
 * gRPC server reflection, v1 and v1alpha (the same messages under two names): which services this member has, and the descriptors
 * of all their types. Answers from what was made at start; a request costs a look-up. What is not known is an ErrorResponse on a
 * stream that goes on.
 */
import type { Sparse } from './codec.ts';
import { type Descriptors, describeProtos } from './descriptors.ts';
import { codes, rpcError } from './errors.ts';
import { type ReflectionRequest, type ReflectionResponse, wire } from './messages.ts';
import { type BidiStream, type Method, type ServiceTable, splitMethodName } from './transport.ts';

const methodNames = [
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
];

type Answer = Sparse<Omit<ReflectionResponse, 'validHost' | 'originalRequest' | 'messageResponse'>>;

/** `methods`: full names of all other methods that are served; the service lists itself too. */
export function reflectionService(methods: readonly string[]): ServiceTable {
  const names = [...methods, ...methodNames].map((name) => splitMethodName(name)[0]);
  const reflection = new Reflection([...new Set(names)].sort());
  const method: Method = { kind: 'bidi', call: reflection.call };
  return Object.fromEntries(methodNames.map((name) => [name, method]));
}

class Reflection {
  readonly #services: readonly string[];
  readonly #descriptors: Descriptors = describeProtos();

  constructor(services: readonly string[]) {
    this.#services = services;
  }

  readonly call: BidiStream = (incoming, outgoing) => {
    /** Paths of the files this stream has had. */
    const sent = new Set<string>();
    incoming.listen({
      message: (bytes) => {
        const request = wire.ReflectionRequest.decode(bytes);
        const answer = this.#answer(request, sent);
        const { host, messageRequest, ...asked } = request;
        const originalRequest = { host, ...onlySent(asked) };
        if (outgoing.write(wire.ReflectionResponse.encode({ validHost: host, originalRequest, ...answer }))) return;
        incoming.pause();
        outgoing.whenWritable().then(() => incoming.resume());
      },
      end: () => outgoing.end(),
    });
  };

  #answer(request: ReflectionRequest, sent: Set<string>): Answer {
    const { symbols, messages } = this.#descriptors;
    switch (request.messageRequest) {
      case 'listServices':
        return { listServicesResponse: { service: this.#services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return this.#file(request.fileByFilename ?? '', sent);
      case 'fileContainingSymbol':
        return this.#file(symbols.get(request.fileContainingSymbol ?? ''), sent);
      case 'allExtensionNumbersOfType': {
        const baseTypeName = request.allExtensionNumbersOfType ?? '';
        return messages.has(baseTypeName) ? { allExtensionNumbersResponse: { baseTypeName } } : notFound('type');
      }
      case 'fileContainingExtension':
        // proto3 has no extensions but of Google's own options, which are not described.
        return notFound('extension');
      case undefined:
        throw rpcError('emptyReflectionRequest');
    }
  }

  /** A file and what it needs, as far as this stream has not had that; the file itself in any case. */
  #file(path: string | undefined, sent: Set<string>): Answer {
    const { files } = this.#descriptors;
    const first = files.get(path ?? '');
    if (first === undefined) return notFound('file or symbol');
    const found = [first];
    sent.add(first.path);
    // Grows while it is walked.
    for (const { imports } of found) {
      for (const imported of imports) {
        const file = files.get(imported);
        if (file === undefined || sent.has(imported)) continue;
        sent.add(imported);
        found.push(file);
      }
    }
    return { fileDescriptorResponse: { fileDescriptorProto: found.map(({ encoded }) => encoded) } };
  }
}

function notFound(what: string): Answer {
  return { errorResponse: { errorCode: codes.NotFound, errorMessage: `${what} not found` } };
}

/** Without the members of the oneof that were not sent. */
function onlySent<T extends object>(asked: T): Partial<T> {
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null)) as Partial<T>;
}
