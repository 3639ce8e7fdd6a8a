/** Command lines, durations and switches as Go's programs read them. */
import { describe, expect, it } from 'vitest';
import { nearestName, parseArgv, parseDurationMs, parseSwitch } from '../../src/base/argv.ts';

const specs = [
  { name: 'name', kind: 'value' as const },
  { name: 'write-out', short: 'w', kind: 'value' as const },
  { name: 'prefix', kind: 'switch' as const },
];
const parse = (...argv: string[]) => {
  const parsed = parseArgv(argv, specs);
  return parsed.type === 'parsed' ? { flags: Object.fromEntries(parsed.flags), args: parsed.args } : parsed;
};

describe('parseArgv', () => {
  it('takes both spellings, short names and switches, anywhere', () => {
    expect(parse('get', '--name=a=b', 'k', '-w', 'json', '--prefix', 'end')).toEqual({
      flags: { name: 'a=b', 'write-out': 'json', prefix: 'true' },
      args: ['get', 'k', 'end'],
    });
    expect(parse('--name', 'x', '-name', 'y', '--prefix=false')).toEqual({
      flags: { name: 'y', prefix: 'false' },
      args: [],
    });
  });

  it('a value may look like a flag or be empty; a lone dash and what follows -- are arguments', () => {
    expect(parse('--name', '--prefix', '--write-out=')).toEqual({
      flags: { name: '--prefix', 'write-out': '' },
      args: [],
    });
    expect(parse('put', '-', '--', '--name', '-5')).toEqual({ flags: {}, args: ['put', '-', '--name', '-5'] });
  });

  it('names what is wrong', () => {
    expect(parse('--nmae=x')).toEqual({ type: 'unknownFlag', flag: 'nmae', nearest: 'name' });
    expect(parse('--zzzzzz')).toEqual({ type: 'unknownFlag', flag: 'zzzzzz', nearest: undefined });
    expect(parse('-x')).toMatchObject({ type: 'unknownFlag', flag: 'x' });
    expect(parse('get', '--name')).toEqual({ type: 'missingValue', flag: 'name' });
  });
});

it('finds the nearest name, or none', () => {
  const names = ['listen-client-urls', 'listen-peer-urls', 'data-dir'];
  expect(nearestName('listen-client-url', names)).toBe('listen-client-urls');
  expect(nearestName('datadir', names)).toBe('data-dir');
  expect(nearestName('listen', names)).toBe('listen-client-urls');
  expect(nearestName('quorum', names)).toBeUndefined();
});

it.each([
  ['5s', 5_000],
  ['300ms', 300],
  ['1m30s', 90_000],
  ['1.5h', 5_400_000],
  ['0', 0],
  ['250us', 0.25],
  ['', undefined],
  ['5', undefined],
  ['5 s', undefined],
  ['s', undefined],
  ['-1s', undefined],
  ['5sx', undefined],
])('parseDurationMs(%j) is %s', (text, ms) => {
  expect(parseDurationMs(text)).toBe(ms);
});

it('reads switches as Go does', () => {
  expect(['true', '1', 'T'].map(parseSwitch)).toEqual([true, true, true]);
  expect(['false', '0', 'FALSE'].map(parseSwitch)).toEqual([false, false, false]);
  expect(['yes', '', 'on'].map(parseSwitch)).toEqual([undefined, undefined, undefined]);
});
