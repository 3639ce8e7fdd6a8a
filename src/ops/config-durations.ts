/** The flags that are durations: their defaults and bounds. */
import { parseDurationMs } from '../base/argv.ts';
import { watchProgressMsDefault, watchProgressMsMin } from '../base/limits.ts';
import { ConfigMistake } from './config-mistake.ts';

/** The text of a flag; '' if it is not given. */
type TextOf = (flag: string) => string;

/** etcd's default: time for the disk, and for two elections. */
export function requestTimeoutOf(textOf: TextOf, electionMs: number): number {
  return duration(textOf, 'request-timeout', 600_000) ?? 5_000 + 2 * electionMs;
}

/** Under its name of etcd 3.6, else that of 3.4. As in etcd 0 asks for the default, and less than the least for the least. */
export function watchProgressOf(textOf: TextOf): number {
  const names = ['watch-progress-notify-interval', 'experimental-watch-progress-notify-interval'];
  const flag = names.find((name) => textOf(name) !== '');
  if (flag === undefined || parseDurationMs(textOf(flag)) === 0) return watchProgressMsDefault;
  return Math.max(watchProgressMsMin, duration(textOf, flag, 3_600_000) ?? watchProgressMsDefault);
}

/** Whole milliseconds from 1 on; undefined if the flag is not given. */
function duration(textOf: TextOf, flag: string, mostMs: number): number | undefined {
  const text = textOf(flag);
  if (text === '') return undefined;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= 1 && ms <= mostMs) return Math.ceil(ms);
  const range = `from 1ms to ${mostMs / 60_000}m`;
  throw new ConfigMistake(flag, `${JSON.stringify(text)} is no duration ${range}; write it as 7s or 500ms`);
}
