/** A fault of the local set-up: what failed, and what the reader can do about it. Codes are stable. */
export type StackErrorCode =
  | 'jdk_missing'
  | 'tool_missing'
  | 'command_failed'
  | 'download_failed'
  | 'checksum_mismatch'
  | 'folder_not_reachable'
  | 'account_missing'
  | 'server_exited'
  | 'server_not_ready'
  | 'address_not_answering'
  | 'not_started_here'
  | 'chromium_missing'
  | 'interrupted';

export class StackError extends Error {
  readonly code: StackErrorCode;
  readonly reason: string;
  readonly hint: string;

  constructor({ code, reason, hint, cause }: { code: StackErrorCode; reason: string; hint: string; cause?: unknown }) {
    super(`${code}: ${reason}\n  What to do: ${hint}`, { cause });
    this.name = 'StackError';
    this.code = code;
    this.reason = reason;
    this.hint = hint;
  }
}
