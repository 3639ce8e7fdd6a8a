/** Closing at any stage: nothing hangs, nothing is left that keeps the process, nothing is rejected unheard. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { type ClientTarget, startTarget } from '../target.ts';
import { StrangeMember } from './strange-member.ts';

let target: ClientTarget | undefined;
let silent: StrangeMember | undefined;
afterEach(async () => {
  await target?.stop();
  silent?.stop();
  target = undefined;
  silent = undefined;
});

/** Runs `steps` in a process of its own, in which `client` is one of these endpoints; resolves with what it wrote. */
async function ended(endpoints: readonly string[], options: string, steps: string): Promise<string> {
  const source = `
    import { Client } from '${new URL('../../../src/client/client.ts', import.meta.url).href}';
    process.on('unhandledRejection', (error) => { console.log('UNHANDLED', error); process.exit(3); });
    const client = new Client({ endpoints: ${JSON.stringify(endpoints)}, ${options} });
    const code = (step) => step.then(() => 'done', (error) => error.code + ' ' + error.mayHaveApplied);
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    ${steps}
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  let written = '';
  child.stdout.on('data', (chunk) => {
    written += chunk;
  });
  child.stderr.on('data', (chunk) => {
    written += chunk;
  });
  const [exit] = await once(child, 'close');
  expect(exit, written).toBe(0);
  return written.trim();
}

const all = `prefer: 'leader', discover: true, timeout: '60s'`;

test('in use, between calls, and before the first: the process comes to its end by itself', async () => {
  target = await startTarget({ members: 1 });
  const used = `
    console.log(await code(client.leases()));
    const last = code(client.leases());
    await client.close();
    console.log(await last, await code(client.leases()));
    await client.close();`;
  expect(await ended(target.endpoints, all, used)).toMatch(/^done\n(closed false|done) closed false$/);
  expect(await ended(target.endpoints, all, 'await client.close(); console.log(await code(client.leases()))')).toBe(
    'closed false',
  );
}, 60_000);

test('an idle client that nobody closes does not keep the process either', async () => {
  target = await startTarget({ members: 1 });
  expect(await ended(target.endpoints, all, 'console.log(await code(client.leases()))')).toBe('done');
}, 60_000);

test('while it connects to members that are silent, refuse, or do not exist', async () => {
  silent = await StrangeMember.socket();
  const endpoints = [silent.endpoint, '127.0.0.1:1', 'no.such.host.invalid:2379'];
  const steps = `
    const calls = [code(client.leases()), code(client.grant('10s')), code(client.members())];
    for (let turns = 0; turns < 20; turns++) await turn();
    await client.close();
    console.log((await Promise.all(calls)).join());`;
  const auth = `auth: { user: 'u', password: 'p' }`;
  const end = 'closed false,closed false,closed false';
  expect(await ended(endpoints, all, steps)).toBe(end);
  expect(await ended(endpoints, `${all}, ${auth}`, steps)).toBe(end);
}, 60_000);

test('while calls are under way on a member that does not answer: a write may have been applied, a read not', async () => {
  silent = await StrangeMember.serving(() => {});
  const member = silent;
  const running = ended(
    [member.endpoint],
    `timeout: '60s'`,
    `
    const calls = [code(client.leases()), code(client.revoke(1n))];
    // The member hears of them before the client is closed: a third call is asked only to wait for that.
    await code(client.leases({ timeout: '2s' }));
    await client.close();
    console.log((await Promise.all(calls)).join());`,
  );
  expect(await running).toBe('closed false,closed true');
  expect(member.calls.length).toBeGreaterThanOrEqual(3);
}, 60_000);
