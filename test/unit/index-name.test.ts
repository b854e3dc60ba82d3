import assert from 'node:assert/strict';
import { it } from 'node:test';
import { indexMatcher, indexNameFault, indexPatternFault } from '../../src/domain/index-name.ts';

it('accepts every name that Elasticsearch accepts for an index', () => {
  for (const name of [
    'logs',
    'a.b.c',
    '.ds-logs-2024.01.01-000001',
    'журнал',
    '日誌',
    "it's~100%&(a)[b]{c}^$@!;=",
    'é',
    'a'.repeat(255),
    '1',
    '..a',
    'a..',
    'a\u0001b',
    'a\nb',
  ]) {
    assert.equal(indexNameFault(name), undefined, name);
  }
});

it('says what is wrong with a name that Elasticsearch refuses', () => {
  const faults = {
    '': /empty/,
    'logs-*': /must not contain "\*".*one index/,
    'a,b': /","/,
    'a b': /" "/,
    'a/b': /"\/"/,
    'a\\b': /\\/,
    'a?': /"\?"/,
    'a"b': /"\\""/,
    '<logs-{now}>': /"<"/,
    'a|b': /"\|"/,
    'a#b': /"#"/,
    'other:index': /":"/,
    '-a': /start with "-"/,
    '+a': /start with "\+"/,
    _all: /start with "_"/,
    '.': /must not be/,
    '..': /must not be/,
    Logs: /lower case/,
    ['é'.repeat(128)]: /255 bytes in UTF-8, and has 256/,
    '\ud800': /well-formed/,
  };
  for (const [name, fault] of Object.entries(faults)) assert.match(indexNameFault(name) ?? '', fault, name);
});

it('takes names with * for those that it stands for', () => {
  for (const [pattern, yes, no] of [
    ['logs-*', ['logs-', 'logs-1', 'logs-a.b'], ['logs', 'my-logs-1']],
    ['*', ['a', '.ds-x'], []],
    ['*-copy', ['-copy', 'a-copy', '-copy-copy'], ['copy', 'a-copy-']],
    ['a*b*c', ['abc', 'a-b-c', 'abbcc'], ['ab', 'acb', 'abcd', 'cba']],
    ['ab*ba', ['abba', 'ab-ba'], ['aba']],
    ['a.c', ['a.c'], ['abc']],
    ['a**', ['a', 'ab'], ['b']],
  ] as const) {
    for (const name of yes) assert.ok(indexMatcher(pattern)(name), `${pattern} means ${name}`);
    for (const name of no) assert.ok(!indexMatcher(pattern)(name), `${pattern} does not mean ${name}`);
  }
});

it('refuses patterns that no name can match', () => {
  assert.equal(indexPatternFault('logs-*'), undefined);
  assert.equal(indexPatternFault('*'), undefined);
  for (const pattern of ['', 'Logs-*', 'logs?', '-*', 'a,b*']) assert.notEqual(indexPatternFault(pattern), undefined);
});
