/** Deep equality of plain values, byte arrays and bigints included. A missing property equals one that is undefined. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!isEqual(a[i], b[i])) return false;
    return true;
  }
  const [x, y] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const name in x) if (!isEqual(x[name], y[name])) return false;
  for (const name in y) if (y[name] !== undefined && !(name in x)) return false;
  return true;
}

/** For messages: a value in one line. */
export function show(value: unknown): string {
  const text = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each === 'bigint') return `${each}n`;
    if (typeof each === 'object' && each !== null && 'type' in each && each.type === 'Buffer' && 'data' in each)
      return Buffer.from(each.data as number[]).toString('latin1');
    return each instanceof Uint8Array ? Buffer.from(each).toString('latin1') : each;
  });
  return text === undefined ? 'nothing' : text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
