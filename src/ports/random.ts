export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A unique id for events, commands and runs: 22 URL-safe characters or a UUID. */
  id(): string;
}
