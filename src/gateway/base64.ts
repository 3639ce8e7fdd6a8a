/**
 * Base64 of a JSON body. Both alphabets are read, with padding or without (etcd 3.4 takes only the padded standard one, newer
 * gateways take all); what is wrong is named by its position, as Go's encoding/base64 does.
 */

const digits = /^[A-Za-z0-9+/_-]*$/;
const eitherDigit = /^[A-Za-z0-9+/_-]$/;
const standardDigit = /^[A-Za-z0-9+/]$/;

/** The bytes, or the index of the first byte (of the text as UTF-8) that cannot be. */
export function base64Bytes(text: string): Buffer | number {
  const end = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length;
  const padded = end < text.length;
  const wellFormed = padded ? text.length % 4 === 0 : text.length % 4 !== 1;
  const plain = digits.test(padded ? text.slice(0, end) : text);
  if (plain && wellFormed) return Buffer.from(text, 'base64');
  const source = Buffer.from(text);
  const broken = faultOf(source, eitherDigit, 1);
  if (broken === undefined) return Buffer.from(text.replace(/[\r\n]/g, ''), 'base64');
  // It is refused: say where etcd would.
  return faultOf(source, standardDigit, 3) ?? broken;
}

/**
 * Go's decoder, quantum by quantum; undefined: nothing is wrong (there are line ends in it, which count for nothing). Up to
 * `danglingMax` digits at an end without padding are too few.
 */
function faultOf(source: Buffer, digit: RegExp, danglingMax: number): number | undefined {
  let filled = 0;
  for (let at = 0; at < source.length; at++) {
    const char = String.fromCharCode(source[at] ?? 0);
    if (char === '\n' || char === '\r') continue;
    if (digit.test(char)) {
      filled = (filled + 1) % 4;
      continue;
    }
    if (char !== '=' || filled < 2) return at;
    return paddingFault(source, at, filled);
  }
  return filled > 0 && filled <= danglingMax ? source.length - filled : undefined;
}

/** After the first `=` nothing may come but the second, if it is owed, and line ends. */
function paddingFault(source: Buffer, first: number, filled: number): number | undefined {
  let at = skipLines(source, first + 1);
  if (filled === 2) {
    if (at === source.length) return at;
    if (source[at] !== 0x3d) return at - 1;
    at = skipLines(source, at + 1);
  }
  return at < source.length ? at : undefined;
}

function skipLines(source: Buffer, from: number): number {
  let at = from;
  while (source[at] === 0x0a || source[at] === 0x0d) at++;
  return at;
}
