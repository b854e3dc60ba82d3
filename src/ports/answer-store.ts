export interface Claim {
  /** This call took the id; nobody has run the command before. */
  readonly first: boolean;
  /** The command that the id stands for, as it was claimed. */
  readonly command: string;
  /** When the id was claimed, by the clock that the journal's times come from. */
  readonly claimedAtMs: number;
}

/**
 * What commands were answered with, by command id, shared by everybody on one journal and kept for a while. An id that is claimed and
 * has no answer belongs to a command that is under way, or whose supervisor ended in the middle of it. Errors: `journal_unreachable`.
 */
export interface AnswerStore {
  /** Takes the id for this command, unless it was taken before. */
  claim(id: string, command: string): Promise<Claim>;
  /** Stores pages of the answer, the first of them under that number. With page 0 the command counts as answered. */
  keep(id: string, firstPage: number, pages: readonly string[]): Promise<void>;
  /** Undefined for a page that is not there. */
  page(id: string, page: number): Promise<string | undefined>;
}
