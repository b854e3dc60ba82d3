import assert from 'node:assert/strict';
import { it } from 'node:test';
import { COMMAND_SCHEMAS, commandJsonSchemas, parseCommand } from '../../../src/control/schemas.ts';
import { Failed } from '../../../src/domain/failure.ts';
import { DEFAULT_PARAMETERS } from '../../../src/domain/parameters.ts';
import { COMMAND_NAMES, type CommandName } from '../../../src/ports/command-transport.ts';

const leader = { cluster: 'main', index: 'orders' };
const follower = { cluster: 'replica', index: 'orders' };

function refusal(name: CommandName, body: unknown, target?: object): string {
  try {
    parseCommand({ name, body: typeof body === 'string' ? body : JSON.stringify(body), target });
  } catch (error) {
    assert.ok(error instanceof Failed);
    assert.equal(error.failure.code, 'invalid_command');
    return error.failure.reason;
  }
  return assert.fail('the command was accepted');
}

it('accepts a whole follow command and gives it unchanged', () => {
  const command = {
    commandId: 'c1',
    by: 'me',
    waitMs: 0,
    leader,
    follower,
    parameters: DEFAULT_PARAMETERS,
    settings: { 'index.number_of_replicas': 0 },
  };
  assert.deepEqual(parseCommand({ name: 'follow', body: JSON.stringify(command) }), { name: 'follow', command });
});

it('takes the number of shards for the setting that it is', () => {
  const body = (over: object): string => JSON.stringify({ leader, follower, ...over });
  for (const [over, settings] of [
    [{ shards: 3 }, { 'index.number_of_shards': 3 }],
    [
      { shards: 1, settings: { number_of_replicas: 0 } },
      { number_of_replicas: 0, 'index.number_of_shards': 1 },
    ],
  ] as const)
    assert.deepEqual(parseCommand({ name: 'follow', body: body(over) }), {
      name: 'follow',
      command: { leader, follower, settings },
    });
  for (const shards of [0, 1025, 2.5, '3']) assert.match(refusal('follow', body({ shards })), /shards/);
  for (const settings of [{ 'index.number_of_shards': 3 }, { index: { number_of_shards: 3 } }])
    assert.match(refusal('follow', body({ shards: 3, settings })), /shards: is given in settings, too/);
});

it('names every fault of a command at once, with its path', () => {
  const reason = refusal('follow', {
    leader: { cluster: 'MAIN', index: 'logs-*' },
    follower: { index: 'Orders' },
    parameters: { max_read_request_operation_count: 0, scan_share: 2, unheard_of: 1 },
    waitMs: -1,
    colour: 'blue',
  });
  for (const part of [
    'leader.cluster',
    'leader.index: must not contain "*"',
    'follower.cluster',
    'follower.index: must be lower case',
    'parameters.max_read_request_operation_count',
    'parameters.scan_share',
    'unheard_of',
    'waitMs',
    'colour',
  ]) {
    assert.ok(reason.includes(part), `${part} is missing in: ${reason}`);
  }
});

it('refuses what is not a JSON object', () => {
  assert.match(refusal('pause', '{"follower"'), /not JSON/);
  assert.match(refusal('pause', '[1]'), /JSON object/);
  assert.match(refusal('pause', 'null'), /JSON object/);
  assert.match(refusal('pause', ''), /follower/);
});

it('takes the target from the subject, and refuses one in the body beside it', () => {
  assert.deepEqual(parseCommand({ name: 'pause', body: '', target: { follower, shard: 3 } }), {
    name: 'pause',
    command: { follower, shard: 3 },
  });
  assert.deepEqual(parseCommand({ name: 'status', body: ' ', target: { follower } }), {
    name: 'status',
    command: { follower },
  });
  assert.match(
    refusal('pause', { follower, shard: 1 }, { follower, shard: 3 }),
    /follower: is named by the subject.*shard: is named by the subject/,
  );
  assert.equal(refusal('pause', {}, { follower, shard: Number.NaN }), 'shard: must be a number');
  assert.equal(
    refusal('pause', { follower: 'orders', waitMs: 1.5 }),
    'waitMs: must be a whole number; follower: must be a JSON object',
  );
  assert.equal(refusal('pause', {}), 'follower: is missing');
  assert.match(
    refusal('pause', {}, { follower: { cluster: 'replica', index: 'A' } }),
    /follower\.index: must be lower case/,
  );
});

it('refuses a shard without an index, and unfollowing a single shard', () => {
  assert.match(refusal('status', { shard: 1 }), /follower: is needed/);
  assert.match(refusal('unfollow', { follower, shard: 1 }), /shard/);
});

it('describes every command as JSON Schema that admits no unknown key', () => {
  const schemas = commandJsonSchemas();
  for (const name of COMMAND_NAMES) {
    const schema: unknown = JSON.parse(schemas[name]);
    assert.ok(typeof schema === 'object' && schema !== null && 'additionalProperties' in schema);
    assert.equal(schema.additionalProperties, false);
  }
  assert.deepEqual(Object.keys(COMMAND_SCHEMAS).toSorted(), [...COMMAND_NAMES].toSorted());
});
