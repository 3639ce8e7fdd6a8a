/** Every request of captured.txt, in its order, to a member in the same state: the same bytes but where it is said why not. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FakeMember } from '../rpc/fake-member.ts';
import { Fixture } from '../rpc/wire-client.ts';
import { ask } from './http-client.ts';

const grantedId = 9_041_998_819_061_072_646n;
/** The session that the server makes for a lock without one. */
const sessionId = 0x7d7b_a204_f5a3_0318n;
const usedId = 9_041_998_819_061_072_648n;

/** Lines whose answer cannot be etcd's: what the service behind them does not do yet, or another cluster. */
const differs: readonly [RegExp, string][] = [
  [/member\/list/, 'another cluster'],
  [/maintenance\/status/, 'other sizes and indexes'],
  [/kv\/compaction|"revision":"1"}/, 'no compaction yet'],
];

interface Line {
  readonly path: string;
  readonly body: string;
  readonly status: number;
  readonly headers: readonly string[];
  readonly answer: string;
}

const captured = readFileSync(new URL('./captured.txt', import.meta.url), 'utf8');
const steps = captured
  .split('\n\n')
  .slice(1)
  .map((step) => step.trim());

function lineOf(step: string): Line {
  const [, path = '', body = '', status = '', headers = '', answer = ''] =
    /^> (\S+) (.*)\n< (\d+) (.*)\n(.*)$/.exec(step) ?? [];
  return { path, body, status: Number(status), headers: headers.split(' | '), answer };
}

test(`${steps.length} captured steps`, async () => {
  const ids = [grantedId, sessionId];
  const member = new FakeMember({ newLeaseId: () => ids.shift() ?? 1n });
  const fixture = await Fixture.start({ member });
  member.apply({ type: 'grant', id: usedId, ttlMs: 5_000 });
  const passedOver: string[] = [];
  for (const step of steps) {
    if (step.startsWith('! revoke')) {
      member.apply({ type: 'revoke', id: usedId });
      continue;
    }
    const line = lineOf(step);
    expect(line.status, `a line of captured.txt: ${step}`).toBeGreaterThan(0);
    const reason = differs.find(([pattern]) => pattern.test(`${line.path} ${line.body}`))?.[1];
    if (line.path.endsWith('timetolive')) member.nowMs = 1_000;
    const answer = await ask(fixture.port, line.path, line.body);
    if (reason !== undefined) {
      passedOver.push(`${line.path}: ${reason}`);
      continue;
    }
    expect({ line: step, status: answer.status, body: answer.body.trimEnd() }).toEqual({
      line: step,
      status: line.status,
      body: line.answer,
    });
    for (const header of line.headers) {
      const [name = '', value] = header.split(': ');
      expect(answer.headers[name.toLowerCase()], `${step}\n${name}`).toBe(value);
    }
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(answer.trailers['grpc-trailer-content-type']).toBe(
      line.headers.includes('Trailer: Grpc-Trailer-Content-Type') ? 'application/grpc' : undefined,
    );
  }
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
  expect(passedOver).toHaveLength(4);
});
