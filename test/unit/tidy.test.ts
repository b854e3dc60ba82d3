/** The rules on the source that a reader relies on and that a formatter does not know. The layers are also in the linter's configuration. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const ROOT = join(import.meta.dirname, '..', '..');
const LONGEST_FILE_LINES = 450;

/** What each folder of src may import, besides itself. `app` and `cli` may import whatever is not named as closed to them. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  ports: ['domain'],
  machines: ['domain', 'ports'],
  replication: ['domain', 'ports'],
  actors: ['domain', 'ports', 'machines', 'replication'],
  control: ['domain', 'ports'],
  infra: ['domain', 'ports'],
  config: ['domain'],
  app: ['domain', 'ports', 'machines', 'replication', 'actors', 'control', 'infra', 'config'],
  cli: ['domain', 'ports', 'machines', 'replication', 'actors', 'control', 'infra', 'config', 'app'],
};
const PURE = ['domain', 'ports', 'machines', 'replication'];

type Source = { readonly path: string; readonly text: string; readonly lines: readonly string[] };

const sources = read(['src/**/*.ts']);
const everything = read([
  'src/**/*',
  'test/**/*',
  'stack/**/*',
  'scripts/**/*',
  'demo/**/*',
  'bench/**/*',
  'docs/**/*',
  '.ci/*',
  '*.md',
  '*.yml',
  '*.json',
]);

function read(globs: readonly string[]): readonly Source[] {
  return globSync([...globs], { cwd: ROOT, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'package-lock.json')
    .map((entry) => {
      const file = join(entry.parentPath, entry.name);
      const text = readFileSync(file, 'utf8');
      return { path: relative(ROOT, file), text, lines: text.trimEnd().split('\n') };
    });
}

function layerOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** Everything a file imports or exports from elsewhere, as written. */
function importsOf({ text }: Source): readonly string[] {
  const statements = text.matchAll(
    /^(?:import|export)\s[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'|import\(\s*'([^']+)'\s*\)/gm,
  );
  return [...statements].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

/** The names of all faults, so that one run shows all of them. */
function none(faults: readonly string[]): void {
  assert.deepEqual(faults, []);
}

test('there is a source to check, in layers that this test knows', () => {
  assert.ok(sources.length > 20, `only ${sources.length} files`);
  none(sources.map(({ path }) => layerOf(path)).filter((layer) => !(layer in LAYERS)));
});

test('imports between the layers go one way only', () => {
  const faults = sources.flatMap((source) => {
    const from = layerOf(source.path);
    return importsOf(source)
      .filter((name) => name.startsWith('.'))
      .map((name) => join(dirname(source.path), name))
      .filter(
        (target) =>
          !target.startsWith('src/') || (layerOf(target) !== from && !LAYERS[from]?.includes(layerOf(target))),
      )
      .map((target) => `${source.path} imports ${target}`);
  });
  none(faults);
});

test('imports name the file, with its ending', () => {
  none(
    sources.flatMap((source) =>
      importsOf(source)
        .filter((name) => name.startsWith('.') && !/\.(ts|json)$/.test(name))
        .map((name) => `${source.path}: ${name}`),
    ),
  );
});

test('the domain imports nothing but the domain, and the pure layers nothing of Node', () => {
  const foreign = (layer: string, name: string): boolean =>
    !name.startsWith('.') && (layer === 'domain' || name.startsWith('node:'));
  none(
    sources
      .filter(({ path }) => PURE.includes(layerOf(path)))
      .flatMap((source) =>
        importsOf(source)
          .filter((name) => foreign(layerOf(source.path), name))
          .map((name) => `${source.path}: ${name}`),
      ),
  );
});

test('no file only passes on what others export', () => {
  none(
    sources.filter(({ text }) => /^export\s+(?:type\s+)?(?:\*|\{[^}]*\})\s+from/m.test(text)).map(({ path }) => path),
  );
});

test('no file is named for everything and nothing', () => {
  none(
    sources
      .map(({ path }) => path)
      .filter((path) => /(^|\/)(utils?|helpers?|managers?|types|common|misc|index)\.ts$/.test(path)),
  );
});

test('names of files are in kebab case', () => {
  none(sources.map(({ path }) => path).filter((path) => !/^[a-z0-9/-]+\.ts$/.test(path)));
});

test(`no file is longer than ${LONGEST_FILE_LINES} lines`, () => {
  none(
    everything
      .filter(({ path, lines }) => /\.(ts|mjs)$/.test(path) && lines.length > LONGEST_FILE_LINES)
      .map(({ path, lines }) => `${path}: ${lines.length}`),
  );
});

test('the project speaks of no machine but the reader’s', () => {
  const forbidden = [['', 'work', ''].join('/'), ['', 'root', ''].join('/')];
  none(
    everything.flatMap(({ path, lines }) =>
      lines.flatMap((line, at) => (forbidden.some((word) => line.includes(word)) ? [`${path}:${at + 1}`] : [])),
    ),
  );
});

test('nothing is left to do, skipped, or singled out', () => {
  const words = new RegExp(
    [
      'TO' + 'DO',
      'FIX' + 'ME',
      'X' + 'XX',
      String.raw`\.(skip|todo|only)\(`,
      String.raw`\b(skip|todo|only): true`,
    ].join('|'),
  );
  none(
    everything
      .filter(({ path }) => path.endsWith('.ts') && !path.endsWith('tidy.test.ts'))
      .flatMap(({ path, lines }) => lines.flatMap((line, at) => (words.test(line) ? [`${path}:${at + 1}`] : []))),
  );
});
