/** What an error of LevelDB means for us. Owns the reading of its codes and texts, which is the same wherever we open one. */

/**
 * `locked`: another holder. `fileSystem`: the machine said no (rights, space, open files) and the bytes may be fine.
 * `damaged`: the bytes cannot be read; also when a file is missing. `other`: not LevelDB's at all, so a mistake of ours, which
 * must never pass for damage: an image would be thrown away for it.
 */
export type LevelTroubleKind = 'locked' | 'fileSystem' | 'damaged' | 'other';

/** Sorts an error of LevelDB and gives its innermost text. */
export function levelTrouble(error: unknown): { readonly kind: LevelTroubleKind; readonly text: string } {
  const codes: string[] = [];
  let inner: unknown = error;
  for (; inner instanceof Error; inner = inner.cause) {
    if ('code' in inner) codes.push(String(inner.code));
    if (!(inner.cause instanceof Error)) break;
  }
  const text = inner instanceof Error ? inner.message : String(inner);
  if (codes.includes('LEVEL_LOCKED')) return { kind: 'locked', text };
  if (codes.some((code) => /^E[A-Z]+$/.test(code))) return { kind: 'fileSystem', text };
  if (!codes.some((code) => code.startsWith('LEVEL_'))) return { kind: 'other', text };
  const machine =
    /permission denied|not permitted|too many open files|no space left|read-only|quota exceeded|cannot allocate/i;
  return { kind: machine.test(text) ? 'fileSystem' : 'damaged', text };
}
