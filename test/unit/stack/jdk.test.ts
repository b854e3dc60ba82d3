import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { findJdk } from '../../../stack/jdk.ts';
import { StackError } from '../../../stack/stack-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'slipstream-jdk-test-'));
after(() => rmSync(folder, { recursive: true }));

let parents = 0;

/** A folder with one installation for each name; `programs` are those in its bin folder. */
function parentWith(homes: Readonly<Record<string, { version: string; programs?: readonly string[] }>>): string {
  const parent = join(folder, String((parents += 1)));
  for (const [name, { version, programs = ['java', 'javac'] }] of Object.entries(homes)) {
    mkdirSync(join(parent, name, 'bin'), { recursive: true });
    writeFileSync(join(parent, name, 'release'), `IMPLEMENTOR="Someone"\nJAVA_VERSION="${version}"\n`);
    for (const program of programs) writeFileSync(join(parent, name, 'bin', program), '', { mode: 0o755 });
  }
  return parent;
}

function missing(search: Parameters<typeof findJdk>[0]): StackError {
  try {
    findJdk(search);
  } catch (error) {
    assert.ok(error instanceof StackError);
    assert.equal(error.code, 'jdk_missing');
    return error;
  }
  assert.fail('a JDK was found');
}

test('takes the version that was tried before an older and a newer one that would do', () => {
  const parent = parentWith({
    'jdk-21': { version: '21.0.4' },
    'jdk-25': { version: '25' },
    'jdk-27': { version: '27-ea' },
  });
  assert.equal(findJdk({ minimum: 21, environment: {}, parents: [parent] }), join(parent, 'jdk-25'));
});

test('takes a newer version than the one that was tried when nothing else is there', () => {
  const parent = parentWith({ 'jdk-17': { version: '17.0.15' }, 'jdk-29': { version: '29.0.1' } });
  assert.equal(findJdk({ minimum: 21, environment: {}, parents: [parent] }), join(parent, 'jdk-29'));
});

test('reads the version of a Java 8, which calls itself 1.8', () => {
  const parent = parentWith({ 'jdk-8': { version: '1.8.0_402' } });
  assert.match(missing({ minimum: 17, environment: {}, parents: [parent] }).reason, /jdk-8 .*version 8, too old/);
});

test('finds the JDK of JAVA_HOME and the one of the first java on the PATH', () => {
  const parent = parentWith({ home: { version: '25' }, path: { version: '25' } });
  assert.equal(
    findJdk({ minimum: 21, environment: { JAVA_HOME: join(parent, 'home') }, parents: [] }),
    join(parent, 'home'),
  );
  const environment = { PATH: `${join(folder, 'nowhere')}:${join(parent, 'path', 'bin')}` };
  assert.equal(findJdk({ minimum: 21, environment, parents: [] }), join(parent, 'path'));
});

test('passes over an old JAVA_HOME when the system has a newer JDK', () => {
  const old = parentWith({ jdk: { version: '17' } });
  const parent = parentWith({ jdk: { version: '25' } });
  assert.equal(
    findJdk({ minimum: 21, environment: { JAVA_HOME: join(old, 'jdk') }, parents: [parent] }),
    join(parent, 'jdk'),
  );
});

test('does not replace a wrong SLIPSTREAM_JAVA_HOME by another JDK in silence', () => {
  const old = parentWith({ jdk: { version: '17' } });
  const parent = parentWith({ jdk: { version: '25' } });
  const error = missing({ minimum: 21, environment: { SLIPSTREAM_JAVA_HOME: join(old, 'jdk') }, parents: [parent] });
  assert.match(error.reason, /from SLIPSTREAM_JAVA_HOME\): version 17, too old/);
});

test('tells every Java it found, what is wrong with each, and what to install', () => {
  const parent = parentWith({
    old: { version: '17.0.1' },
    runtime: { version: '21', programs: ['java'] },
    broken: { version: '21', programs: [] },
    closed: { version: '25' },
  });
  const mayUse = (home: string): boolean => !home.endsWith('closed');
  const { reason, hint } = missing({
    minimum: 21,
    environment: { JAVA_HOME: join(folder, 'nothing') },
    parents: [parent],
    mayUse,
  });
  assert.match(reason, /nothing \(from JAVA_HOME\): not a Java home/);
  assert.match(reason, /old .*: version 17, too old/);
  assert.match(reason, /runtime .*: version 21, but only a runtime, not a JDK/);
  assert.match(reason, /broken .*: version 21, but bin\/java cannot be run/);
  assert.match(reason, /closed .*: version 25, but in a folder that the user who runs it may not enter/);
  assert.match(hint, /apt-get install .*SLIPSTREAM_JAVA_HOME/);
});

test('says so when there is no Java at all', () => {
  assert.match(missing({ minimum: 21, environment: {}, parents: [join(folder, 'none')] }).reason, /no Java at all/);
});
