/**
 * Stands in for a member in tests of `src/local/`: takes the same flags, answers /readyz and Maintenance.Status on one port,
 * calls n1 the leader, and misbehaves as the variable FAKE_MEMBER says. Plain JavaScript, so that it starts at once.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';

const flags = Object.fromEntries(process.argv.slice(2).map((word) => word.replace(/^--/, '').split(/=(.*)/s)));
const number = Number(flags.name.slice(1));
const mode = process.env.FAKE_MEMBER ?? '';
const again = existsSync(flags['data-dir']);
mkdirSync(flags['data-dir'], { recursive: true });
writeFileSync(join(flags['data-dir'], 'pid'), String(process.pid));
console.error(`member ${flags.name} ${again ? 'finds its data' : 'starts fresh'}`);
if (mode === 'die' && number === 2) {
  console.error('something is wrong');
  process.exit(3);
}
if (mode !== 'stubborn') for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
else process.on('SIGTERM', () => console.error('no'));

// header{member_id: number} = 0a 02 10 n; leader (field 4) = 20 01.
const status = Buffer.from([0x0a, 0x02, 0x10, number, 0x20, 0x01]);
const same = (bytes) => bytes;
const grpc = new Server();
const path = '/etcdserverpb.Maintenance/Status';
const method = { path, requestStream: false, responseStream: false };
const codecs = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
grpc.addService({ Status: { ...method, ...codecs } }, { Status: (_call, done) => done(null, status) });
const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
const http = createHttp((_request, answer) => answer.end('ok\n'));
createServer((socket) => {
  socket.on('error', () => {});
  socket.once('readable', () => {
    const first = socket.read() ?? Buffer.alloc(0);
    socket.unshift(first);
    if (first.toString('latin1').startsWith('PRI')) injector.injectConnection(socket);
    else http.emit('connection', socket);
  });
}).listen(Number(flags['listen-client-urls'].split(':').at(-1)), '127.0.0.1');
