/**
 * One digest for the whole state (D1): the records' sums and the counters that are not in any record. The applied index is not
 * in it, so that equal states compare equal whatever no-ops led there.
 */
import { RecordSum } from './digest.ts';
import type { ImageMeta } from './image-records.ts';

/** The counters of the state; a part of the image's meta record. */
export type StateCounters = Pick<
  ImageMeta,
  'revision' | 'compactRevision' | 'stamps' | 'sweep' | 'swept' | 'configuration'
>;

/** 32 hexadecimal digits. */
export function stateDigest(sums: readonly RecordSum[], counters: StateCounters): string {
  const total = new RecordSum();
  for (const sum of sums) total.addSum(sum);
  const { revision, compactRevision, stamps, sweep, swept, configuration } = counters;
  const bytes = Buffer.alloc(56 + configuration.length);
  bytes.writeDoubleBE(revision, 0);
  bytes.writeDoubleBE(compactRevision, 8);
  bytes.writeDoubleBE(stamps, 16);
  bytes.writeDoubleBE(sweep?.revision ?? 0, 24);
  bytes.writeDoubleBE(sweep?.sub ?? 0, 32);
  bytes.write(swept, 40, 'hex');
  bytes.set(configuration, 56);
  total.add(bytes, 0, bytes.length);
  return total.hex();
}
