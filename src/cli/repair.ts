import type { VerifyAnswer } from '../app/program.ts';
import { MAX_WAIT_MS, REPAIR_DOCUMENTS_MAX } from '../control/schemas.ts';
import type { RepairCommand } from '../domain/commands.ts';
import { Failed, failed } from '../domain/failure.ts';
import { isMassDelete } from '../domain/mass-delete.ts';
import type { FollowerIndexRef } from '../domain/names.ts';
import type { FollowParameters } from '../domain/parameters.ts';
import type { RepairOutcome } from '../domain/repair.ts';
import type { Command, CommandContext } from './command.ts';
import { exitOfSignal, type Exit } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import { withControl } from './outcome.ts';
import { failureLine } from './report.ts';
import { plannedOf, repairLine, summaryOf, type Planned } from './repair-view.ts';
import { parseIndex, shownTarget } from './targets.ts';
import { integer } from './text.ts';
import { PATIENCE, progressLine } from './verify-progress.ts';
import { verifyText } from './verify-view.ts';

/** Of one kind of difference in one run. */
const DOCUMENTS_MAX = 10_000;
/** One message carries this easily. */
const COMMAND_BYTES = 128 * 1024;
const WAIT_MS = 120_000;
const EXITS = { equal: 'ok', different: 'different', undecided: 'notCompared' } as const;

export const repair: Command = {
  name: 'repair',
  summary: 'Put right what differs between both sides of an index, and nothing else.',
  usage: '<cluster:index>',
  positionals: { min: 1, max: 1 },
  flags: [
    { name: 'content', about: 'Compare the content (`_source`) too, not identities alone.' },
    { name: 'dry-run', about: 'Compare, and name what would be done; nothing is changed.' },
    { name: 'allow-mass-delete', about: 'Delete even if that is more than the allowed share of the index.' },
  ],
  details: `Compares as verify does, has the supervisor put right what differs, and compares again: the exit is that of the last comparison. What the leader has is read from it again and written, also over what somebody else wrote or deleted on the follower; what the leader has no more is deleted. The index may be written to and goes on following; a shard that stopped with follower_newer goes on. Documents that are not named are not touched. Each line names the document, its leader shard, what was wrong and what was done, never its content. What is in quarantine is left to quarantine retry. Where more would be deleted than the share mass_delete_share of the configuration allows, nothing is done unless --allow-mass-delete says so: another index may be meant. At most ${integer(DOCUMENTS_MAX)} documents of each kind of difference in one run. A difference is looked at again for up to ${PATIENCE} before it is believed, unless its shard has stopped; a dry run asks no supervisor and does not know that.`,
  examples: [
    ['slipstream repair tokyo:cities --dry-run', 'what differs, and what would be done; exit 1 if anything does'],
    ['slipstream repair tokyo:cities --content', 'exit 0 when both sides are equal in the end'],
  ],
  async run(context) {
    const { args, deps } = context;
    const follower = parseIndex('repair', args.positionals[0] ?? '');
    await context.config();
    using stop = interruption(deps);
    try {
      return await repairIndex(context, { follower, content: args.has('content') }, stop.signal);
    } catch (error) {
      const by = stop.by();
      if (by !== undefined) return exitOfSignal(by);
      throw error;
    }
  },
};

interface Compared {
  readonly follower: FollowerIndexRef;
  readonly content: boolean;
  readonly stopped?: (() => Promise<ReadonlySet<number>>) | undefined;
}

async function repairIndex(context: CommandContext, compared: Compared, signal: AbortSignal): Promise<Exit> {
  const { args, say, answer } = context;
  const { follower } = compared;
  const dryRun = args.has('dry-run');
  const stopped = dryRun ? undefined : (): Promise<ReadonlySet<number>> => stoppedShards(context, follower);
  const before = await compare(context, { ...compared, stopped }, signal);
  if (before === undefined) return 'notCompared';
  const planned = plannedOf(before.report);
  const none = planned.length === 0;
  if (dryRun || none) {
    answer({ ...before, dryRun, documents: planned });
    say(verifyText(before, follower, undefined));
    for (const one of planned) say(repairLine(one));
    say(none ? 'Nothing to repair.\n' : `Would repair ${integer(planned.length)} documents; nothing was changed.\n`);
    return EXITS[before.report.outcome];
  }
  if (!args.has('allow-mass-delete')) refuseMassDelete(before, planned, (await context.config()).defaults);
  const documents: (Planned & { done: RepairOutcome | null })[] = [];
  await withControl(context, async ({ control }) => {
    for (const part of inParts(planned)) {
      const command: RepairCommand = {
        follower,
        documents: part.map(({ id, routing, shard }) => ({
          id,
          ...(routing === undefined ? {} : { routing }),
          ...(shard === undefined ? {} : { shard }),
        })),
        by: context.deps.user,
        waitMs: Math.min(WAIT_MS, MAX_WAIT_MS),
      };
      signal.throwIfAborted();
      const result = await control.repair(command);
      for (const { shard, effective, failure } of result.pairs)
        if (!effective && failure !== undefined) say(`  shard ${shard}: ${failureLine(failure)}\n`);
      for (const [at, one] of part.entries()) {
        const told = { ...one, done: result.documents[at] ?? null };
        documents.push(told);
        say(repairLine(one, told.done));
      }
    }
  });
  const after = await compare(context, compared, signal);
  if (after === undefined) return 'notCompared';
  answer({ ...after, dryRun, documents });
  say(summaryOf(documents.map(({ done }) => done)));
  say(verifyText(after, follower, undefined));
  if (!after.report.equal) say(`slipstream verify ${shownTarget({ follower })} names what is left\n`);
  if (before.report.missing.total > DOCUMENTS_MAX)
    say(`slipstream repair ${shownTarget({ follower })} again does the rest\n`);
  return EXITS[after.report.outcome];
}

function refuseMassDelete(
  { report }: VerifyAnswer,
  planned: readonly Planned[],
  { mass_delete_share: share }: FollowParameters,
): void {
  const deletes = Math.max(report.extra.total, planned.filter(({ plan }) => plan === 'delete').length);
  if (!isMassDelete(deletes, report.followerDocuments, share)) return;
  throw failed('mass_delete', {
    op: 'repair',
    reason: `${deletes} of ${report.followerDocuments} documents would be deleted, more than the allowed ${Math.round(share * 100)} %; nothing was changed`,
    hint: 'Look at them with --dry-run. If that is right, repeat it with --allow-mass-delete.',
  });
}

/** Nothing is on its way to them. None where no supervisor tells, which is said when one is needed. */
async function stoppedShards(context: CommandContext, follower: FollowerIndexRef): Promise<ReadonlySet<number>> {
  try {
    const indices = await withControl(context, ({ control }) => control.status({ follower }));
    const stopped = indices.flatMap(({ pairs }) =>
      pairs.filter(({ state }) => state === 'fatal' || state === 'paused'),
    );
    return new Set(stopped.map(({ shard }) => shard));
  } catch {
    return new Set();
  }
}

/** Undefined, and told: they could not be compared. */
async function compare(
  context: CommandContext,
  { follower, content, stopped }: Compared,
  signal: AbortSignal,
): Promise<VerifyAnswer | undefined> {
  const progress = progressLine(context);
  const request = {
    follower,
    content,
    samplesMax: DOCUMENTS_MAX,
    ...(stopped === undefined ? {} : { stopped }),
    onProgress: progress.show,
  };
  try {
    return await context.deps.verify(await context.config(), request, signal);
  } catch (error) {
    if (signal.aborted || !(error instanceof Failed) || error.failure.code === 'bug') throw error;
    context.fail(error.failure);
    return undefined;
  } finally {
    progress.clear();
  }
}

function* inParts(planned: readonly Planned[]): Generator<readonly Planned[]> {
  let part: Planned[] = [];
  let bytes = 0;
  for (const one of planned) {
    const size = JSON.stringify(one).length;
    if (part.length >= REPAIR_DOCUMENTS_MAX || (part.length > 0 && bytes + size > COMMAND_BYTES)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(one);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
