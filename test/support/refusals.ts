import assert from 'node:assert/strict';
import type { FollowCommand } from '../../src/domain/commands.ts';
import { Failed, type Failure } from '../../src/domain/failure.ts';
import type { World } from './replication-world.ts';

/** The failure that a follow is refused with; fails if it is not refused, or if anything was changed by it. */
export async function refusalOf(
  world: World,
  command: FollowCommand,
  { followerExists = false }: { followerExists?: boolean } = {},
): Promise<Failure> {
  const journal = await world.journal();
  const followed = await world.control.list();
  let failure: Failure | undefined;
  try {
    await world.control.follow(command);
  } catch (thrown) {
    if (!(thrown instanceof Failed)) throw thrown;
    ({ failure } = thrown);
  }
  assert.ok(failure !== undefined, 'the follow is refused');
  assert.notEqual(failure.reason, '');
  assert.notEqual(failure.hint, '');
  assert.deepEqual(await world.journal(), journal, 'nothing is in the journal');
  assert.deepEqual(await world.control.list(), followed, 'nothing more is followed');
  const { cluster, index } = command.follower;
  if (cluster === 'right' && !followerExists) {
    const { status } = await world.follower.call('HEAD', `/${encodeURIComponent(index)}`);
    assert.ok(status === 404 || status === 400, `no follower index was made (${status})`);
  }
  return failure;
}
