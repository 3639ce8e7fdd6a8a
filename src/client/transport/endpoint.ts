/** An endpoint as users write it: `host:port`, `http://host:port`, `https://host:port`; an IPv6 address in brackets. */
import { LeaseError } from '../errors.ts';

export interface Endpoint {
  /** As it was written. */
  readonly endpoint: string;
  /** `host:port`. */
  readonly target: string;
  /** TLS. */
  readonly secure: boolean;
}

/** `secure`: what an endpoint without a scheme means. Throws `invalid_argument` and says what to write instead. */
export function parseEndpoint(endpoint: string, secure: boolean): Endpoint {
  const mistake = (text: string): LeaseError =>
    new LeaseError('invalid_argument', `endpoint ${JSON.stringify(endpoint)} ${text}`);
  const [, scheme, target = ''] = /^(?:(\w+):\/\/)?([^/\s]+)\/?$/.exec(endpoint) ?? [];
  if (target === '') throw mistake('is not host:port, http://host:port or https://host:port');
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https')
    throw mistake(`has the unknown scheme ${scheme}; use http or https`);
  if (!/^(\[[\da-fA-F:.%]+\]|[^:[\]]+):\d{1,5}$/.test(target))
    throw mistake(`names no port, or no host; write it as in ${target.replace(/:.*$/, '') || '127.0.0.1'}:2379`);
  return { endpoint, target, secure: scheme === undefined ? secure : scheme === 'https' };
}
