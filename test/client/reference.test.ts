/** The reference that is made of docstrings: whatever a public method names is in it, and no link of it leads nowhere. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('the reference is made without a warning', { timeout: 180_000 }, () => {
  const typedoc = `${root}node_modules/typedoc/bin/typedoc`;
  // Types are checked by others.
  const flags = ['--options', 'typedoc.json', '--emit', 'none', '--treatWarningsAsErrors', '--skipErrorChecking'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [typedoc, ...flags], { cwd: root, encoding: 'utf8' });
  expect(`${stdout}${stderr}`).not.toMatch(/warning|error/);
  expect(status).toBe(0);
});
