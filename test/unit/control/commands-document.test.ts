import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { parseReply } from '../../../src/control/reply.ts';
import { parseCommand } from '../../../src/control/schemas.ts';
import { FAILURES } from '../../../src/domain/failure.ts';
import { nameFromToken, subjectToken } from '../../../src/domain/names.ts';
import { commandEndpoints, targetOf } from '../../../src/infra/nats/command-subjects.ts';
import { COMMAND_NAMES, type CommandName } from '../../../src/ports/command-transport.ts';
import { fakeStatuses } from '../../support/control-bench.ts';

const text = await readFile(new URL('../../../docs/commands.md', import.meta.url), 'utf8');

function blocks(kind: string): { name: CommandName; body: string }[] {
  return [...text.matchAll(new RegExp(`^\`\`\`json ${kind} ([\\w-]+)\\n([^]*?)^\`\`\``, 'gm'))].map(
    ([, name, body]) => {
      const known = COMMAND_NAMES.find((each) => each === name);
      assert.ok(known !== undefined && body !== undefined);
      return { name: known, body };
    },
  );
}

it('shows only commands that are accepted, and every command', () => {
  const commands = blocks('command');
  for (const { name, body } of commands) parseCommand({ name, body });
  assert.deepEqual(new Set(commands.map(({ name }) => name)), new Set(COMMAND_NAMES));
  assert.equal(commands.length + blocks('reply').length, text.match(/^```json/gm)?.length);
});

it('shows answers as they are given', () => {
  const [pause, resume, status] = blocks('reply').map(({ name, body }) => parseReply(name, body));
  assert.ok(pause?.ok === true && resume?.ok === false && status?.ok === true);
  assert.equal(resume.failure.hint, FAILURES.not_paused.hint);
  assert.deepEqual(Object.keys(Object(pause.result)), ['commandId', 'accepted', 'effective', 'pairs']);
  const shapeOf = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shapeOf);
    if (typeof value !== 'object' || value === null) return typeof value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shapeOf(part)]));
  };
  assert.deepEqual(shapeOf(status.result), shapeOf(fakeStatuses({ indices: 1, shards: 1 })));
});

it('shows command lines that reach an endpoint and are accepted', () => {
  const lines = [...text.matchAll(/^nats request (\S+) '([^']*)'/gm)];
  assert.ok(lines.length >= 10);
  for (const [line, subject, body] of lines) {
    assert.ok(subject !== undefined && body !== undefined);
    const endpoint = commandEndpoints('slipstream', COMMAND_NAMES).find((each) =>
      new RegExp(`^${each.subject.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`).test(subject),
    );
    assert.ok(endpoint !== undefined, line);
    parseCommand({ name: endpoint.name, body, target: targetOf('slipstream', subject) });
  }
});

it('encodes index names as its table says', () => {
  const rows = [...text.matchAll(/^\| `([^`<]+)` \| `([^`]+)` \|$/gm)].map(([, index, token]) => [index, token]);
  assert.ok(rows.length >= 5);
  for (const [index, token] of rows) {
    assert.equal(subjectToken(index ?? ''), token);
    assert.equal(nameFromToken(token ?? ''), index);
  }
});

it('names only codes and kinds of failures that exist', () => {
  const table = text.slice(text.indexOf('Codes that commands'), text.indexOf('### Asking again'));
  const codes = [...table.matchAll(/^\| (`.*?`) \|/gm)]
    .flatMap(([, cell]) => [...(cell ?? '').matchAll(/`(\w+)`/g)].map(([, code]) => code ?? ''))
    .filter((code) => code !== 'code');
  assert.ok(codes.length > 10);
  for (const code of codes) assert.ok(code in FAILURES, code);
});
