import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { generatedDocs } from '../../../scripts/generate-docs.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { FAILURES } from '../../../src/domain/failure.ts';

const at = (path: string): URL => new URL(`../../../${path}`, import.meta.url);

for (const [path, text] of generatedDocs())
  it(`${path} says what the code says (else: node scripts/generate-docs.ts)`, async () => {
    assert.equal(await readFile(at(path), 'utf8'), text);
  });

it('the page of failures has every code', () => {
  const page = generatedDocs().get('docs/failures.md') ?? '';
  for (const code of Object.keys(FAILURES)) assert.ok(page.includes(`| \`${code}\` |`), code);
});

it('the example configuration is accepted as it stands, without warnings', async () => {
  const { clusters, follow, warnings } = await loadConfig(at('slipstream.example.yml').pathname, {});
  assert.deepEqual([[...clusters.keys()], follow.length, warnings], [['paris', 'tokyo'], 1, []]);
});
