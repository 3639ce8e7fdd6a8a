/** docs/WIRE.md says what the methods do: where HTTP reaches them, which are refused and with which words, which pages there are. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { declaredMethods, httpPaths } from '../../src/rpc/codec.ts';
import { codes, errorTable } from '../../src/rpc/errors.ts';
import { Fixture, type Status } from './wire-client.ts';

interface Row {
  readonly name: string;
  readonly paths: readonly string[];
  readonly verdict: string;
  readonly remarks: string;
}

const text = readFileSync(new URL('../../docs/WIRE.md', import.meta.url), 'utf8');
const quoted = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
const rows: readonly Row[] = text.split('\n').flatMap((line) => {
  const [, name = '', paths = '', verdict = '', remarks = ''] = line.split('|').map((cell) => cell.trim());
  const [method = ''] = quoted(name);
  return /^[\w.]+\/\w+$/.test(method) ? [{ name: `/${method}`, paths: quoted(paths), verdict, remarks }] : [];
});

let fixture: Fixture;
beforeEach(async () => {
  fixture = await Fixture.start();
});
afterEach(async () => {
  await fixture.stop();
  expect(fixture.bugs).toEqual([]);
});

/** How a call with an empty request ends; a stream is half-closed at once, and left if it goes on. */
async function ends(name: string, kind: string): Promise<Status> {
  const client = fixture.client();
  if (kind === 'unary') {
    // A campaign waits for the lock above it: that, too, is an answer.
    const answer = await client.raw(name, new Uint8Array(0), {}, 2_000);
    return 'code' in answer ? answer : { code: codes.OK, text: '' };
  }
  const stream = kind === 'bidi_stream' ? client.bidi(name) : client.serverStream(name, new Uint8Array(0));
  stream.end();
  const left = setTimeout(() => stream.cancel(), 200);
  return stream.status.finally(() => clearTimeout(left));
}

test('every method is described as it behaves', async () => {
  const declared = declaredMethods();
  expect(rows.map(({ name }) => name).sort()).toEqual([...declared.keys()].sort());
  for (const { name, paths, verdict, remarks } of rows) {
    expect(paths, name).toEqual(httpPaths(name));
    expect(['same', 'better', 'refused'], name).toContain(verdict);
    const end = await ends(name, declared.get(name) ?? '');
    if (verdict === 'refused') expect(`${end.code} \`${end.text}\``, name).toBe(remarks);
    else expect(end.code, `${name}: ${end.text}`).not.toBe(codes.Unimplemented);
  }
});

test('whatever the error table has for "not supported" stands on the page', () => {
  for (const [name, [code, words]] of errorTable()) {
    if (code === 'Unimplemented') expect(text, name).toContain(words);
  }
});

test('the pages are there, and what is refused is not', async () => {
  const lines = text.split('\n').filter((line) => line.startsWith('| `/'));
  const statuses = new Map<string, number>();
  for (const line of lines) {
    const [, first = '', verdict = ''] = line.split('|').map((cell) => cell.trim());
    for (const path of quoted(first)) {
      const { status } = await fetch(`http://127.0.0.1:${fixture.port}${path.replace('…', 'x')}`);
      expect(status, path).toBe(verdict === 'refused' ? 404 : 200);
      statuses.set(path, status);
    }
  }
  expect([...statuses.keys()]).toEqual(
    expect.arrayContaining(['/version', '/health', '/livez', '/readyz', '/metrics']),
  );
});
