import type { Command } from './command.ts';
import { doctor } from './doctor.ts';
import { events } from './events.ts';
import { follow } from './follow.ts';
import { list } from './list.ts';
import { pause } from './pause.ts';
import { quarantine } from './quarantine.ts';
import { recover } from './recover.ts';
import { repair } from './repair.ts';
import { resume } from './resume.ts';
import { start } from './start.ts';
import { status } from './status.ts';
import { unfollow } from './unfollow.ts';
import { verify } from './verify.ts';
import { version } from './version.ts';

/** Every command, in the order of help and documentation. `help` itself is answered by run.ts. */
export const COMMANDS: readonly Command[] = [
  start,
  doctor,
  follow,
  unfollow,
  status,
  list,
  pause,
  resume,
  quarantine,
  verify,
  repair,
  recover,
  events,
  version,
];
