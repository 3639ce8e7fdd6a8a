/** What a client asks to watch, as the hub understands it, and why it gets no watcher. Answers are encoded in `watch-encode.ts`. */
import { unreachable } from '../base/assert.ts';
import { bytesOf as bytesOfText } from '../base/bytes.ts';
import type { WatchRefusal } from '../watch/hub.ts';
import type { WatchSpec } from '../watch/watcher.ts';
import { bytesOf } from './convert.ts';
import { errorText } from './errors.ts';
import { numberOf } from './int64.ts';
import type { WatchCreateRequest } from './messages.ts';

const firstKey = bytesOfText('\0');
const filterNoPut = 0;
const filterNoDelete = 1;
/** etcd's texts (mvcc/watcher.go); these stand in `cancel_reason` without a code. */
const emptyRangeText = 'mvcc: watcher range is empty';
const duplicateIdText = 'mvcc: duplicate watch ID provided on the WatchStream';

/** An empty key stands for the smallest one, so that ("", "\0") is everything, as in etcd. */
export function watchSpecOf(message: WatchCreateRequest): WatchSpec {
  return {
    key: message.key.length === 0 ? firstKey : message.key,
    rangeEnd: bytesOf(message.rangeEnd),
    startRevision: numberOf(message.startRevision),
    noPut: message.filters.includes(filterNoPut),
    noDelete: message.filters.includes(filterNoDelete),
    prevKv: message.prevKv,
  };
}

/** Why there is no watcher. All but `compacted` are said in one response that is created and canceled at once. */
export type Refused = WatchRefusal | { readonly type: 'duplicateId' | 'negativeStart' };

/** The `cancel_reason`; undefined for `compacted`, where the watcher is created and then canceled. */
export function refusalText(refused: Refused): string | undefined {
  switch (refused.type) {
    case 'compacted':
      return undefined;
    case 'emptyRange':
      return emptyRangeText;
    case 'duplicateId':
      return duplicateIdText;
    case 'negativeStart':
      return errorText('compacted');
    case 'tooMany':
      return errorText('tooManyWatchers');
    default:
      return unreachable(refused);
  }
}
