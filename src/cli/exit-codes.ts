import type { Failure, FailureCode } from '../domain/failure.ts';

/** Every exit code of every command, and what it says. From 64 on they are those of sysexits.h; above 128, of a shell for signals. */
export const EXIT = {
  ok: { code: 0, about: 'Done. `verify`, `repair`: both sides are equal.' },
  different: {
    code: 1,
    about: '`verify`, `repair`: the sides differ. Other commands: accepted, but not effective within `--wait`.',
  },
  notCompared: { code: 2, about: '`verify`, `repair`: could not compare.' },
  usage: { code: 64, about: 'The command line is wrong, or the supervisor found a field of the command wrong.' },
  refused: { code: 65, about: 'Refused, or stopped until an operator acts; the reason and the next step are told.' },
  unavailable: { code: 69, about: 'Nobody answers: no supervisor, no NATS, no cluster.' },
  bug: { code: 70, about: 'A defect of Slipstream.' },
  temporary: { code: 75, about: 'Failed for now; the same command may succeed later.' },
  noPermission: { code: 77, about: 'Credentials or privileges are missing.' },
  config: { code: 78, about: 'The configuration is wrong; every fault is told.' },
  interrupted: { code: 130, about: 'Ended at once by Ctrl-C (SIGINT).' },
  terminated: { code: 143, about: 'Ended at once by SIGTERM.' },
} as const satisfies Record<string, { code: number; about: string }>;

export type Exit = keyof typeof EXIT;

const BY_CODE: Partial<Record<FailureCode, Exit>> = {
  invalid_command: 'usage',
  invalid_config: 'config',
  node_too_old: 'config',
  unknown_cluster: 'config',
  no_supervisor: 'unavailable',
  journal_unreachable: 'unavailable',
  nats_server_missing: 'unavailable',
  nats_server_failed: 'unavailable',
  nats_server_unfit: 'config',
  data_folder_unusable: 'config',
  cluster_unreachable: 'unavailable',
  command_timeout: 'temporary',
  unauthorized: 'noPermission',
  forbidden: 'noPermission',
  reader_sees_part: 'noPermission',
  bug: 'bug',
};

const BY_KIND = {
  transient: 'temporary',
  conflict: 'temporary',
  fatal: 'refused',
  refused: 'refused',
  corrupt: 'refused',
} as const satisfies Record<Failure['kind'], Exit>;

export function exitOf(failure: Pick<Failure, 'code' | 'kind'>): Exit {
  return BY_CODE[failure.code] ?? BY_KIND[failure.kind];
}

export function exitOfSignal(signal: 'SIGINT' | 'SIGTERM'): Exit {
  return signal === 'SIGINT' ? 'interrupted' : 'terminated';
}
