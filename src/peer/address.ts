/** Where a member listens for members. Owns reading peer URLs; resolves no names. */
import type { MemberId } from '../store/entry.ts';

/** Another member of the cluster and its peer URL, `http://host:port`. */
export interface PeerAddress {
  readonly member: MemberId;
  readonly url: string;
}

/** Host and port of a peer URL. Throws an `Error` with one sentence on a URL that cannot be dialed: a configuration mistake. */
export function parsePeerUrl(url: string): { readonly host: string; readonly port: number } {
  if (!URL.canParse(url)) throw new Error(`peer URL "${url}" is not a URL: use http://host:port`);
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:') throw new Error(`peer URL "${url}": only http:// is supported between members`);
  // The parser removes http's own port 80.
  const port = parsed.port === '' ? 80 : Number(parsed.port);
  if (parsed.pathname !== '/' && parsed.pathname !== '') throw new Error(`peer URL "${url}" must not have a path`);
  return { host: parsed.hostname.replace(/^\[|\]$/g, ''), port };
}
