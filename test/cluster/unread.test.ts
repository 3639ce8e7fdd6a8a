/**
 * Clients that ask for much and take nothing (their HTTP/2 windows are closed), on a real member: its memory stays bounded, who keeps most
 * is cut, and others are served meanwhile.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import { wire } from '../../src/rpc/messages.ts';
import { bytes } from '../rpc/wire-client.ts';
import { ProcessCluster } from './processes.ts';
import { Caller, insist, lineTo, residentBytes } from './wire.ts';

const mebibyte = 1024 * 1024;
const connections = 8;
const callsEach = 200;
/** 256 MiB of answers, as much again that is being handed on, the member itself, and what the allocator does not give back. */
const residentBytesMax = 900 * mebibyte;

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

test(`${connections * callsEach} answers of 1 MiB that nobody takes`, { timeout: 120_000 }, async () => {
  const cluster = await ProcessCluster.start({ members: 1, proxied: false, flags: ['--log-level=error'] });
  open.push({ close: () => cluster.stop() });
  await cluster.ready(60_000);
  const [member] = cluster.members;
  if (member === undefined) throw new Error('a cluster of one has one member');
  const line = lineTo(member.endpoint);
  open.push(line);
  const caller = new Caller(line.client);
  await insist(() => caller.put('big', Buffer.alloc(mebibyte, 7)));
  const body = wire.RangeRequest.encode({ key: bytes('big') });
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
  let refused = 0;
  const sessions: ClientHttp2Session[] = [];
  for (let at = 0; at < connections; at++) {
    const session = connect(`http://${member.endpoint}`, { settings: { initialWindowSize: 0 } });
    session.on('error', () => {});
    open.push({ close: () => session.destroy() });
    sessions.push(session);
    for (let call = 0; call < callsEach; call++) {
      const headers = { ':method': 'POST', ':path': '/etcdserverpb.KV/Range', 'content-type': 'application/grpc' };
      const stream = session.request({ ...headers, te: 'trailers' });
      stream.on('error', () => {});
      stream.on('response', (head) => {
        if (head['grpc-status'] === '8') refused++;
      });
      stream.end(framed);
    }
  }
  const cut = (): number => sessions.filter((session) => session.destroyed).length;
  // Others are served all the while.
  const endMs = performance.now() + 60_000;
  while ((cut() < 2 || refused < callsEach / 2) && performance.now() < endMs) {
    await insist(() => caller.put('alive'), 10_000);
    expect(residentBytes(member.pid)).toBeLessThan(residentBytesMax);
  }
  expect(cut()).toBeGreaterThanOrEqual(2);
  expect(cut()).toBeLessThan(connections);
  expect(refused).toBeGreaterThanOrEqual(callsEach / 2);
  expect(member.exits, member.logTail()).toEqual([]);
  expect(await caller.count('big')).toBe(1);
});
