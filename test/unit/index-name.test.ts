import assert from 'node:assert/strict';
import { it } from 'node:test';
import { indexNameFault } from '../../src/domain/index-name.ts';

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
