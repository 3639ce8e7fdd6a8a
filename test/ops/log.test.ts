/** Log lines are shaped as etcd's, so that what reads etcd's logs reads ours. */
import { expect, it } from 'vitest';
import { createLog, type LogFormat, type LogLevel } from '../../src/ops/log.ts';

function logged(
  level: LogLevel,
  format: LogFormat,
  act: (log: ReturnType<typeof createLog>) => void,
): readonly string[] {
  const lines: string[] = [];
  act(createLog(level, format, { write: (line) => lines.push(line), flushSync: () => {} }));
  return lines;
}

it('JSON lines: level, ts, caller, msg, fields in order', () => {
  const [line = ''] = logged('info', 'json', (log) =>
    log
      .part('raft/election.ts')
      .info('elected leader', { term: 7, member: 0xf693f74fd84ada81n, error: new Error('why') }),
  );
  const parsed = JSON.parse(line) as Record<string, unknown>;
  expect(Object.keys(parsed)).toEqual(['level', 'ts', 'caller', 'term', 'member', 'error', 'msg']);
  expect(parsed).toMatchObject({
    level: 'info',
    caller: 'raft/election.ts',
    msg: 'elected leader',
    term: 7,
    member: 'f693f74fd84ada81',
    error: 'why',
  });
  expect(String(parsed['ts'])).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(line.endsWith('\n')).toBe(true);
});

it('console lines for people', () => {
  const [line = ''] = logged('debug', 'console', (log) => log.part('x.ts').warn('slow', { tookMs: 3 }));
  expect(line).toMatch(/^\S+Z\tWARN\tx\.ts\tslow\t\{"tookMs":3\}\n$/);
});

it('the level holds back what is below it', () => {
  const say = (log: ReturnType<typeof createLog>): void => {
    log.debug('d');
    log.info('i');
    log.warn('w');
    log.error('e');
    log.fatal('f');
  };
  const messages = (level: LogLevel) =>
    logged(level, 'json', say)
      .map((line) => (JSON.parse(line) as { msg: string }).msg)
      .join('');
  expect(['debug', 'info', 'warn', 'error', 'panic', 'fatal'].map((level) => messages(level as LogLevel))).toEqual([
    'diwef',
    'iwef',
    'wef',
    'ef',
    'f',
    'f',
  ]);
});
