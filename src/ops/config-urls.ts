/**
 * URLs of a configuration: where to listen, and what to tell others. Plain http until TLS comes; every other wish is refused
 * with the flag's name and the fix.
 */
import { isIP } from 'node:net';
import { ConfigMistake } from './config-mistake.ts';

/** Where to listen. Port 0 asks the system for one. */
export interface ListenUrl {
  readonly host: string;
  readonly port: number;
  /** As it was written, without a trailing slash. */
  readonly text: string;
}

/** A comma-separated list of URLs to listen on; at least one unless `text` is empty. */
export function listenUrls(flag: string, text: string): readonly ListenUrl[] {
  return splitList(text).map((one) => {
    const url = parseUrl(flag, one);
    if (isIP(url.host) === 0 && url.host !== 'localhost') {
      throw new ConfigMistake(flag, `${one} names a host; to listen, give an IP address or localhost`);
    }
    return url;
  });
}

/** A comma-separated list of URLs that others will use: never port 0, never "all addresses". */
export function advertisedUrls(flag: string, text: string): readonly string[] {
  return splitList(text).map((one) => {
    const url = parseUrl(flag, one);
    if (url.port === 0) throw new ConfigMistake(flag, `${one} has port 0, which nobody can reach; name the port`);
    if (isWildcard(url.host)) throw new ConfigMistake(flag, `${one} is no address others can reach; name a host`);
    return url.text;
  });
}

/** Whether a listener there is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

/** 0.0.0.0 and ::. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Equal URLs compare equal: case, trailing slash and the names of loopback do not matter. */
export function sameUrl(a: string, b: string): boolean {
  return normal(a) === normal(b);
}

function normal(url: string): string {
  return url.toLowerCase().replace(/\/$/, '').replace('://localhost:', '://127.0.0.1:');
}

function splitList(text: string): readonly string[] {
  return text === '' ? [] : text.split(',').map((one) => one.trim());
}

function parseUrl(flag: string, text: string): ListenUrl {
  const wrong = (why: string): ConfigMistake => new ConfigMistake(flag, `${JSON.stringify(text)} ${why}`);
  const match = /^([a-z]+):\/\/(\[[^\]]+\]|[^:/]*)(?::(\d*))?(\/.*)?$/i.exec(text);
  if (match === null) throw wrong('is no URL; write it as http://host:port');
  const [, scheme = '', bracketed = '', port, path = ''] = match;
  if (scheme.toLowerCase() === 'https') throw wrong('asks for TLS, which is not supported yet; use http://');
  if (scheme.toLowerCase() !== 'http') throw wrong(`has scheme ${scheme}; use http://`);
  if (path !== '' && path !== '/') throw wrong('has a path; end it after the port');
  if (bracketed === '') throw wrong('names no host; write it as http://host:port');
  if (port === undefined || port === '') throw wrong('names no port; write it as http://host:port');
  if (Number(port) > 65535) throw wrong('has a port above 65535');
  const host = bracketed.replace(/^\[|\]$/g, '');
  return { host, port: Number(port), text: `http://${bracketed}:${Number(port)}` };
}
