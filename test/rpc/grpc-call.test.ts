/** Calls on HTTP/2 streams, at the moments that go wrong. */
import { connect } from 'node:http2';
import { expect, test } from 'vitest';
import { wire } from '../../src/rpc/messages.ts';
import { bytes, Fixture, framed, until } from './wire-client.ts';

const methods = ['KV/Put', 'Lease/LeaseKeepAlive', 'Watch/Watch', 'Maintenance/Snapshot', 'No/Such'];
/** Nothing; half a head; half a message; one that is compressed; an empty message. */
const beginnings = ['', '\0\0\0', `\0\0\0\x0f\xff${'x'.repeat(3_000)}`, '\x01\0\0\0\0', '\0\0\0\0\0'];

test('a stream that is reset at any moment of its call harms nobody, and leaves no call under way', async () => {
  const fixture = await Fixture.start();
  const session = connect(`http://127.0.0.1:${fixture.port}`);
  session.on('error', () => {});
  for (const name of methods)
    for (const beginning of beginnings)
      for (const turns of [0, 1, 4, 20]) {
        const path = `/etcdserverpb.${name}`;
        const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc' });
        stream.on('error', () => {});
        if (beginning !== '') stream.write(Buffer.from(beginning, 'latin1'));
        for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
        stream.close(8);
      }
  const create = wire.WatchRequest.encode({ createRequest: { key: bytes('k') } });
  const watch = session.request({
    ':method': 'POST',
    ':path': '/etcdserverpb.Watch/Watch',
    'content-type': 'application/grpc',
  });
  watch.on('error', () => {});
  watch.write(framed([create]));
  await until(() => fixture.member.hub.count === 1, 'the watch is there');
  watch.close(8);
  await until(() => fixture.member.hub.count === 0, 'no watcher is left');
  const { text } = await fixture
    .client()
    .raw('/etcdserverpb.KV/Put', bytes('\n\x01k'))
    .then((answer) => ('code' in answer ? answer : { text: 'OK' }));
  expect(text).toBe('OK');
  expect(fixture.bugs).toEqual([]);
  session.destroy();
  await until(() => fixture.listener.count <= 1, 'the connection is gone');
  await fixture.stop();
});
