/**
 * The member's log: one JSON object a line on stderr, shaped as etcd's (`level`, `ts`, `caller`, `msg`, fields), or for
 * people a console format. Written behind the event loop's back, so a slow reader of stderr never delays a heartbeat; `flush`
 * before the process ends.
 */
import pino from 'pino';

/** As etcd's --log-level. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'panic' | 'fatal';
/** As etcd's --log-format. */
export type LogFormat = 'json' | 'console';
/** What a line says besides its sentence; bigints are printed in hex, as ids are. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The log as everybody uses it. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  fatal(message: string, fields?: LogFields): void;
  /** The same log for one part of the program; its name stands in `caller`. */
  part(caller: string): Log;
  /** Returns when all lines so far are written. */
  flush(): void;
}

/** Where lines go; stderr in the program. */
export interface LogSink {
  write(line: string): void;
  flushSync(): void;
}

/** The log of a process. */
export function createLog(level: LogLevel, format: LogFormat, sink: LogSink = stderrSink()): Log {
  const lines = format === 'json' ? sink : { write: (line: string) => sink.write(consoleLine(line)) };
  const root = pino(
    {
      level: level === 'panic' ? 'fatal' : level,
      base: null,
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    lines,
  );
  return wrap(root, sink);
}

function stderrSink(): LogSink {
  return pino.destination({ fd: 2, sync: false });
}

function wrap(logger: pino.Logger, sink: LogSink): Log {
  return {
    debug: (message, fields) => logger.debug(plain(fields), message),
    info: (message, fields) => logger.info(plain(fields), message),
    warn: (message, fields) => logger.warn(plain(fields), message),
    error: (message, fields) => logger.error(plain(fields), message),
    fatal: (message, fields) => logger.fatal(plain(fields), message),
    part: (caller) => wrap(logger.child({ caller }), sink),
    flush: () => sink.flushSync(),
  };
}

/** JSON knows no bigint, and an Error would print as `{}`. */
function plain(fields: LogFields = {}): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (typeof value === 'bigint') return [name, BigInt.asUintN(64, value).toString(16)];
      return [name, value instanceof Error ? value.message : value];
    }),
  );
}

/** zap's console encoding: time, level, caller, sentence and the remaining fields, tab-separated. */
function consoleLine(json: string): string {
  const { level, ts, caller, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const parts = [
    String(ts),
    String(level).toUpperCase(),
    ...(caller === undefined ? [] : [String(caller)]),
    String(msg),
  ];
  if (Object.keys(fields).length > 0) parts.push(JSON.stringify(fields));
  return `${parts.join('\t')}\n`;
}
