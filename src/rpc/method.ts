/** Joins a typed call to its bytes: decode, call, encode. */
import { answerTurns } from './answer-turns.ts';
import type { Sparse, WireType } from './codec.ts';
import { type ErrorName, rpcError } from './errors.ts';
import type { CallContext, Method } from './transport.ts';

/** A unary method; `requestBytes` is the size of the request as it came. */
export function unary<Request, Answer>(
  request: WireType<Request>,
  answer: WireType<Answer>,
  call: (message: Request, ctx: CallContext, requestBytes: number) => Promise<Sparse<Answer>>,
): Method {
  return {
    kind: 'unary',
    call: async (bytes, ctx) => {
      if (ctx.unread) throw rpcError('tooManyRequests');
      const message = await call(request.decode(bytes), ctx, bytes.length);
      const encoded = answer.encode(message);
      answerTurns.spent(encoded.length);
      return encoded;
    },
  };
}

/** The same for an answer that `call` makes as bytes (`hot/answers.ts`). */
export function hotUnary<Request>(
  request: WireType<Request>,
  call: (message: Request, ctx: CallContext, requestBytes: number) => Promise<Uint8Array>,
): Method {
  return {
    kind: 'unary',
    call: async (bytes, ctx) => {
      if (ctx.unread) throw rpcError('tooManyRequests');
      const encoded = await call(request.decode(bytes), ctx, bytes.length);
      answerTurns.spent(encoded.length);
      return encoded;
    },
  };
}

/** A method that is known and always answers this error. */
export function refusing(name: ErrorName): Method {
  return { kind: 'unary', call: () => Promise.reject(rpcError(name)) };
}
