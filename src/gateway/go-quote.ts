/** Text quoted as Go's strconv and encoding/json quote it, because etcd's gateway answers in their words. */

const named: ReadonlyMap<number, string> = new Map([
  [0x07, '\\a'],
  [0x08, '\\b'],
  [0x09, '\\t'],
  [0x0a, '\\n'],
  [0x0b, '\\v'],
  [0x0c, '\\f'],
  [0x0d, '\\r'],
  [0x5c, '\\\\'],
]);

/** As encoding/json's `quoteChar`: a byte stands for the code point of its number. */
export function quoteGoByte(byte: number): string {
  if (byte === 0x27) return `'\\''`;
  return `'${byte === 0x22 ? '"' : goRune(byte)}'`;
}

/** As `%q` of a string: what does not print is escaped. */
export function quoteGo(text: string): string {
  let quoted = '';
  for (const char of text) quoted += char === '"' ? '\\"' : goRune(char.codePointAt(0) ?? 0);
  return `"${quoted}"`;
}

function goRune(code: number): string {
  const name = named.get(code);
  if (name !== undefined) return name;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  const char = String.fromCodePoint(code);
  if (code < 0x7f || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char)) return char;
  const digits = code.toString(16);
  return code > 0xffff ? `\\U${digits.padStart(8, '0')}` : `\\u${digits.padStart(4, '0')}`;
}

/** What JSON must escape, and what Go escapes beyond it so that a page may quote it; lone surrogates are no text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
const escaped = /[\x00-\x1f"\\<>&\u2028\u2029\ud800-\udfff]/;

/** A JSON string as `json.Marshal` prints it. */
export function jsonString(text: string): string {
  if (!escaped.test(text)) return `"${text}"`;
  let out = '';
  for (const char of text) out += escaped.test(char) ? escapedChar(char.codePointAt(0) ?? 0, char) : char;
  return `"${out}"`;
}

function escapedChar(code: number, char: string): string {
  if (code === 0x22) return '\\"';
  if (code === 0x5c || code === 0x0a || code === 0x0d || code === 0x09) return named.get(code) ?? char;
  if (code > 0xffff) return char;
  if (code >= 0xd800 && code <= 0xdfff) return '\\ufffd';
  return `\\u${code.toString(16).padStart(4, '0')}`;
}
