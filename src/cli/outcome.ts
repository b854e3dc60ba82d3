import type { CommandResult } from '../domain/commands.ts';
import type { CommandContext } from './command.ts';
import type { ControlConnection } from '../app/program.ts';
import { exitOf, type Exit } from './exit-codes.ts';
import { failureLine } from './report.ts';

/** Runs something over a connection that is closed whatever happens. */
export async function withControl<T>(
  { config, deps }: CommandContext,
  use: (connection: ControlConnection) => Promise<T>,
): Promise<T> {
  const connection = await deps.connectControl(await config());
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

function pairLine(
  { index, shard, accepted, effective, state, failure }: CommandResult['pairs'][number],
  ended?: string,
): string {
  const named = index === undefined ? `shard ${shard}` : `${index}/${shard}`;
  if (effective && ended !== undefined) return `  ${named}  done, ${ended}\n`;
  const outcome = !accepted ? 'refused' : effective ? 'done' : 'accepted';
  return `  ${named}  ${outcome}, ${state}${failure === undefined ? '' : `: ${failureLine(failure)}`}\n`;
}

/** Tells what became of a command, and gives its exit. */
export function tellOutcome(
  { answer, say }: CommandContext,
  details: { verb: string; target: string; waitMs: number; result: CommandResult },
): Exit {
  const { verb, target, waitMs, result } = details;
  answer(result);
  const unlike = result.pairs.filter(({ accepted, effective }) => !accepted || !effective);
  const failures = unlike.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  const decisive = unlike.find(
    ({ accepted, state, failure }) => (!accepted || state === 'fatal') && failure !== undefined,
  )?.failure;
  const refused = result.pairs.filter(({ accepted }) => !accepted).length;
  if (!result.accepted) say(`${verb} ${target}: ${refused < result.pairs.length ? 'refused in part' : 'refused'}\n`);
  else if (result.effective) say(`${verb} ${target}: done\n`);
  else if (decisive !== undefined) say(`${verb} ${target}: accepted, and stopped: fatal\n`);
  else
    say(
      `${verb} ${target}: accepted${waitMs > 0 ? ', but not effective in time' : ''}; slipstream status ${target} shows when it is effective\n`,
    );
  // The state that a shard had when it was ended is of no use any more.
  const ended = verb === 'unfollow' ? 'no longer followed' : undefined;
  for (const pair of result.pairs) say(pairLine(pair, ended));
  for (const hint of new Set(failures.map((failure) => failure.hint))) say(`next: ${hint}\n`);
  if (decisive !== undefined) return exitOf(decisive);
  if (!result.accepted) return 'refused';
  return waitMs > 0 && !result.effective ? 'different' : 'ok';
}
