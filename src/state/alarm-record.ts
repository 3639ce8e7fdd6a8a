/** The raised alarms as bytes, for their record in the image: 9 bytes each, member u64 and etcd's AlarmType. A frozen layout. */
import type { MemberId } from '../store/entry.ts';
import type { AlarmKind } from './command.ts';

/** A member that has raised an alarm. */
export interface RaisedAlarm {
  readonly member: MemberId;
  readonly kind: AlarmKind;
}

const ALARM_BYTES = 9;
const numbers: Readonly<Record<AlarmKind, number>> = { noSpace: 1, corrupt: 2 };
const kinds: ReadonlyMap<number, AlarmKind> = new Map([
  [1, 'noSpace'],
  [2, 'corrupt'],
]);

export function encodeAlarms(raised: readonly RaisedAlarm[]): Uint8Array {
  const bytes = Buffer.alloc(raised.length * ALARM_BYTES);
  raised.forEach(({ member, kind }, i) => {
    bytes.writeBigUInt64BE(member, i * ALARM_BYTES);
    bytes[i * ALARM_BYTES + 8] = numbers[kind];
  });
  return bytes;
}

/** Undefined if the bytes are not alarms. */
export function decodeAlarms(bytes: Buffer): readonly RaisedAlarm[] | undefined {
  if (bytes.length % ALARM_BYTES !== 0) return undefined;
  const raised: RaisedAlarm[] = [];
  for (let at = 0; at < bytes.length; at += ALARM_BYTES) {
    const kind = kinds.get(bytes[at + 8] as number);
    if (kind === undefined) return undefined;
    raised.push({ member: bytes.readBigUInt64BE(at), kind });
  }
  return raised;
}
