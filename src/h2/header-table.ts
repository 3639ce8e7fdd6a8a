/**
 * The fields an HPACK decoder knows by number: the static table (RFC 7541 appendix A) and the dynamic one (§2.3.2, §4), which holds no more
 * bytes than we let it. Owns the dynamic table.
 */
import { HeaderField } from './header-field.ts';
import { headerTableBytesDefault } from './words.ts';

const staticFields: readonly HeaderField[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    'accept-language',
    'accept-ranges',
    'accept',
    'access-control-allow-origin',
    'age',
    'allow',
    'authorization',
    'cache-control',
    'content-disposition',
    'content-encoding',
    'content-language',
    'content-length',
    'content-location',
    'content-range',
    'content-type',
    'cookie',
    'date',
    'etag',
    'expect',
    'expires',
    'from',
    'host',
    'if-match',
    'if-modified-since',
    'if-none-match',
    'if-range',
    'if-unmodified-since',
    'last-modified',
    'link',
    'location',
    'max-forwards',
    'proxy-authenticate',
    'proxy-authorization',
    'range',
    'referer',
    'refresh',
    'retry-after',
    'server',
    'set-cookie',
    'strict-transport-security',
    'transfer-encoding',
    'user-agent',
    'vary',
    'via',
    'www-authenticate',
  ].map((name): readonly [string, string] => [name, '']),
].map(([name = '', value = '']) => new HeaderField(name, value));

/** As many fields as fit if all are empty, and a power of two. */
const placesMax = headerTableBytesDefault / 32;

export class HeaderTable {
  /** A ring; `#newest` is the place of the youngest field. */
  readonly #ring: (HeaderField | undefined)[] = [];
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax = headerTableBytesDefault;
  /** Counts changes: while it is the same, a number means the same field. */
  version = 0;

  /** By HPACK's number, from 1; undefined: there is none. */
  field(index: number): HeaderField | undefined {
    if (index <= staticFields.length) return staticFields[index - 1];
    const age = index - staticFields.length - 1;
    return age < this.#count ? this.#ring[(this.#newest - age) & (placesMax - 1)] : undefined;
  }

  /** Puts a field in front; the oldest make room. One that is larger than the table empties it. */
  add(field: HeaderField): void {
    this.version++;
    this.#evict(this.#bytesMax - field.bytes);
    if (field.bytes > this.#bytesMax) return;
    this.#newest = (this.#newest + 1) & (placesMax - 1);
    this.#ring[this.#newest] = field;
    this.#count++;
    this.#bytes += field.bytes;
  }

  /** What the client's encoder keeps to from now on. False: that is more than we allow. */
  resize(bytesMax: number): boolean {
    if (bytesMax > headerTableBytesDefault) return false;
    this.version++;
    this.#bytesMax = bytesMax;
    this.#evict(bytesMax);
    return true;
  }

  /** Drops the oldest until no more than so many bytes are left. */
  #evict(bytesLeft: number): void {
    while (this.#count > 0 && this.#bytes > bytesLeft) {
      const place = (this.#newest - this.#count + 1) & (placesMax - 1);
      this.#bytes -= this.#ring[place]?.bytes ?? 0;
      this.#ring[place] = undefined;
      this.#count--;
    }
  }
}
