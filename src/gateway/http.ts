/**
 * HTTP/1.1 on the client port: /health, /livez, /readyz, /version, /metrics, /state (applied index and digest, equal on all
 * members), and etcd's JSON gateway under /v3/ (json-api.ts). Owns answers, not sockets (the accept layer watches those).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { httpHeadBytesMax, httpIdleMsMax } from '../base/limits.ts';
import type { Metrics } from '../ops/metrics.ts';
import { etcdClusterVersion, etcdVersion, leaseholdVersion } from '../ops/version.ts';
import type { Member } from '../rpc/member.ts';
import { type CheckName, checksOf, health, runChecks } from './health.ts';
import { corsHeaders } from './http-call.ts';
import type { HttpConnections } from './http1-server.ts';
import { JsonApi, type JsonApiOptions } from './json-api.ts';

export interface GatewayOptions {
  readonly member: Member;
  readonly metrics: Metrics;
  readonly onBug: (error: unknown) => void;
  /** Without it there are only the pages. */
  readonly api?: Omit<JsonApiOptions, 'onBug' | 'connections'>;
  readonly connections: HttpConnections;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  /** What may be asked of it instead. */
  readonly allow?: string;
}

const textType = 'text/plain; charset=utf-8';
const jsonType = 'application/json';

/** A server that never listens itself: connections are handed to it with `emit('connection')`. */
export function gatewayServer(options: GatewayOptions): Server {
  const { onBug, connections } = options;
  const api = options.api === undefined ? undefined : new JsonApi({ ...options.api, onBug, connections });
  const server = createServer(
    { maxHeaderSize: httpHeadBytesMax, keepAliveTimeout: httpIdleMsMax, requestTimeout: 0, headersTimeout: 0 },
    (request, response) => {
      answer(request, response, options, api).catch((error: unknown) => {
        onBug(error);
        response.destroy();
      });
    },
  );
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    else socket.destroy();
  });
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: GatewayOptions,
  api: JsonApi | undefined,
): Promise<void> {
  const url = urlOf(request);
  const found = url === undefined ? undefined : api?.find(decodedPath(url), request.method);
  if (api !== undefined && typeof found === 'object' && request.method !== 'OPTIONS') {
    api.serve(found, request, response);
    return;
  }
  request.resume();
  if (request.method === 'OPTIONS') {
    // As etcd, whatever the path: a browser asks before it posts.
    response.writeHead(200, { ...corsHeaders, 'Content-Length': 0 });
    response.end();
    return;
  }
  const page = typeof found === 'string' ? apiPages[found] : await pageFor(request, url, options);
  if (!options.connections.mayKeep(request, page.body.length)) {
    // Megabytes of pages asked for and not taken: no client of ours.
    request.socket.destroy();
    return;
  }
  response.writeHead(page.status, {
    ...corsHeaders,
    'Content-Type': page.type,
    ...(page.status === 404 || page.status === 405 ? { 'X-Content-Type-Options': 'nosniff' } : {}),
    ...(page.allow === undefined ? {} : { Allow: page.allow }),
    'Content-Length': Buffer.byteLength(page.body),
  });
  response.end(request.method === 'HEAD' ? undefined : page.body);
}

/** Only the path and query matter; a target that is no path (or lies about its host) is just not found. */
function urlOf({ url: target = '' }: IncomingMessage): URL | undefined {
  return URL.canParse(target, 'http://member') ? new URL(target, 'http://member') : undefined;
}

function decodedPath({ pathname }: URL): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname;
  }
}

async function pageFor(
  request: IncomingMessage,
  url: URL | undefined,
  { member, metrics }: GatewayOptions,
): Promise<Page> {
  const [, first = '', check, ...rest] = (url?.pathname ?? '').split('/');
  if (url === undefined || rest.length > 0) return notFound;
  if (first === 'livez' || first === 'readyz') return checkPage(member, request.method, first, check, url.searchParams);
  if (check !== undefined) return notFound;
  switch (first) {
    case 'health':
      return request.method === 'GET' ? healthPage(member, metrics, url.searchParams) : notAllowed;
    case 'version': {
      if (!isRead(request.method)) return notAllowed;
      const versions = { etcdserver: etcdVersion, etcdcluster: etcdClusterVersion, leasehold: leaseholdVersion };
      return { status: 200, type: jsonType, body: JSON.stringify(versions) };
    }
    case 'state':
      return isRead(request.method)
        ? { status: 200, type: jsonType, body: JSON.stringify(member.digest()) }
        : notAllowed;
    case 'metrics': {
      if (!isRead(request.method)) return notAllowed;
      const { type, text } = await metrics.page();
      return { status: 200, type, body: text };
    }
    default:
      return notFound;
  }
}

async function healthPage(member: Member, metrics: Metrics, query: URLSearchParams): Promise<Page> {
  const answer = await health(member, {
    serializable: query.get('serializable') === 'true',
    exclude: new Set(query.getAll('exclude')),
  });
  metrics.etcd.healthChecked(answer.health === 'true');
  return { status: answer.health === 'true' ? 200 : 503, type: jsonType, body: JSON.stringify(answer) };
}

/** The whole list, or one check by its own path (`/readyz/linearizable_read`). */
async function checkPage(
  member: Member,
  method: string | undefined,
  path: 'livez' | 'readyz',
  only: string | undefined,
  query: URLSearchParams,
): Promise<Page> {
  if (method !== 'GET') return notAllowed;
  const excluded = new Set(query.getAll('exclude'));
  const names = checksOf[path].filter((name: CheckName) => (only === undefined ? !excluded.has(name) : name === only));
  if (only !== undefined && names.length === 0) return notFound;
  const report = await runChecks(member, names);
  if (!report.ok) return { status: 503, type: textType, body: report.lines };
  return { status: 200, type: textType, body: `${query.has('verbose') ? report.lines : ''}ok\n` };
}

function isRead(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD';
}

const notFound: Page = { status: 404, type: textType, body: '404 page not found\n' };
const notAllowed: Page = { status: 405, type: textType, body: 'Method Not Allowed\n', allow: 'GET' };
/** Under /v3/, in the words of etcd's gateway. */
const apiPages: Readonly<Record<'notFound' | 'notAllowed', Page>> = {
  notFound: { status: 404, type: textType, body: 'Not Found\n' },
  notAllowed: { status: 405, type: textType, body: 'Method Not Allowed\n' },
};
