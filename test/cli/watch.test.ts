/** `leasectl watch` where a member is lost, and how it ends. What it prints is compared with etcdctl's in `etcdctl.test.ts`. */
import { afterEach, expect, it } from 'vitest';
import { leasectl } from '../../src/cli/leasectl.ts';
import { until } from '../rpc/wire-client.ts';
import { TcpProxy } from '../support/proxy.ts';
import { tool } from './run-tool.ts';
import { type Scripted, ScriptedServer, silence } from './scripted-server.ts';

const servers: ScriptedServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop();
});

async function serving(answer: (startRevision: string) => Scripted): Promise<ScriptedServer> {
  const server = await ScriptedServer.start({
    Watch: (request) =>
      answer(String((request['create_request'] as { start_revision?: string }).start_revision ?? '0')),
  });
  servers.push(server);
  return server;
}

const put = { type: 0, kv: { key: Buffer.from('k'), value: Buffer.from('v'), mod_revision: 7 } };
const asked = (server: ScriptedServer | undefined) => server?.requests.map(({ request }) => request['create_request']);

it('W5: goes on at another member, one revision after the last that it printed', async () => {
  const answer = (start: string): Scripted => {
    if (start === '0') return { header: { revision: 9 }, events: [put] };
    return { header: {}, canceled: true, compact_revision: 12 };
  };
  const [one, other] = [await serving(answer), await serving(answer)];
  const proxies = [one, other].map(({ endpoint }) => {
    return new TcpProxy({ host: '127.0.0.1', port: Number(endpoint.split(':').pop()) });
  });
  const ports = await Promise.all(proxies.map((proxy) => proxy.listen()));
  const endpoints = ports.map((port) => `127.0.0.1:${port}`).join(',');
  const argv = ['--endpoints', endpoints, 'watch', 'k', '--prev-kv'];
  let out = '';
  let err = '';
  const sink = {
    out: (text: string | Uint8Array) => (out += Buffer.from(text as string)),
    err: (text: string) => (err += text),
  };
  const world = { env: {}, interrupted: new AbortController().signal, input: async () => Buffer.alloc(0) };
  const running = leasectl(argv, { ...world, sink });
  await until(() => out !== '', 'the event is printed');
  const isFirst = one.requests.length > 0;
  proxies[isFirst ? 0 : 1]?.cut();
  const code = await running;
  expect(out).toBe('PUT\nk\nv\n');
  expect(asked(isFirst ? other : one)).toEqual([{ key: Buffer.from('k'), start_revision: '10', prev_kv: true }]);
  expect(err).toBe(
    'watch was canceled (etcdserver: mvcc: required revision has been compacted)\nError: watch is canceled by the server\n',
  );
  expect(code).toBe(5);
  await Promise.all(proxies.map((proxy) => proxy.close()));
});

it('runs a command for each event, and ends with it if it fails', async () => {
  const server = await serving(() => ({ header: { revision: 7 }, events: [put, put] }));
  const run = await tool([
    '--endpoints',
    server.endpoint,
    'watch',
    'k',
    '--',
    'sh',
    '-c',
    'test "$ETCD_WATCH_KEY" = x',
  ]);
  expect(run.err).toBe('command ["sh" "-c" "test \\"$ETCD_WATCH_KEY\\" = x"] error (exit status 1)\n');
  expect([run.code, run.out]).toEqual([1, 'PUT\nk\nv\nPUT\nk\nv\n']);
});

it('ends when the user interrupts', async () => {
  const interrupt = new AbortController();
  const server = await serving(() => silence);
  const running = tool(['--endpoints', server.endpoint, 'watch', '', '--prefix'], {}, '', interrupt.signal);
  await until(() => server.requests.length > 0, 'the member is asked');
  interrupt.abort();
  expect((await running).code).toBe(5);
  expect(asked(server)).toEqual([{ key: Buffer.of(0), range_end: Buffer.of(0) }]);
});
