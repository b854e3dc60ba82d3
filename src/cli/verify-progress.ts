import { VERIFY_LIMITS, type VerifyProgress } from '../replication/verify/request.ts';
import type { CommandContext } from './command.ts';
import type { CliDependencies } from './dependencies.ts';
import { integer, shortDuration } from './text.ts';

const PROGRESS_INTERVAL_MS = 200;
const WAITING_INTERVAL_MS = 20_000;
export const PATIENCE = shortDuration(VERIFY_LIMITS.patienceMs);

export interface Progress {
  show(progress: VerifyProgress): void;
  clear(): void;
}

/** Without a terminal only what would look like standing still, now and then. */
function waitingLine({ stderr, now }: CliDependencies): Progress {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return {
    show({ phase, doubtful }) {
      if (phase !== 'settling' || now() - toldAtMs < WAITING_INTERVAL_MS) return;
      toldAtMs = now();
      stderr.write(
        `slipstream: verify: ${integer(doubtful)} not equal at first sight; looking again for up to ${PATIENCE}, since they may be on their way\n`,
      );
    },
    clear: () => undefined,
  };
}

/** One line on the terminal that is written over, and gone at the end. */
export function progressLine({ deps, json }: CommandContext): Progress {
  if (json) return { show: () => undefined, clear: () => undefined };
  if (!deps.isTty) return waitingLine(deps);
  let shownAtMs = Number.NEGATIVE_INFINITY;
  return {
    show({ phase, documents, doubtful }) {
      if (deps.now() - shownAtMs < PROGRESS_INTERVAL_MS) return;
      shownAtMs = deps.now();
      const again = `${integer(doubtful)} to look at again${phase === 'settling' ? `, for up to ${PATIENCE}` : ''}`;
      deps.stderr.write(`\r\u001b[K${phase}: ${integer(documents)} documents, ${again}`);
    },
    clear: () => deps.stderr.write('\r\u001b[K'),
  };
}
