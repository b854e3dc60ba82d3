/** What the reader of the demo sees: numbered steps, lines that stay, and on a terminal some that are written over. */
import { painter, type Paint } from '../src/cli/text.ts';

export interface Story {
  readonly paint: Paint;
  /** Begins the next step. */
  step(title: string): void;
  /** Lines that stay. */
  say(...lines: string[]): void;
  /** A command as the reader would type it; what goes on in further lines is indented. */
  command(line: string, ...further: string[]): void;
  /** Lines in place of those shown before; elsewhere than on a terminal every few seconds only. */
  live(lines: readonly string[]): void;
  /** The live lines go, or stay as they are now. */
  settle(last?: readonly string[]): void;
}

const INDENT = '   ';
const BAR_CELLS = 24;
const PLAIN_LIVE_EVERY_MS = 10_000;

export function consoleStory(stdout: NodeJS.WriteStream, env: Readonly<Record<string, string | undefined>>): Story {
  const isTty = stdout.isTTY;
  const paint = painter({ isTty, env });
  let steps = 0;
  let shown = 0;
  let plainShownAtMs = performance.now();

  const write = (lines: readonly string[]): void => {
    for (const line of lines) stdout.write(`${INDENT}${line}`.trimEnd() + '\n');
  };
  const erase = (): void => {
    if (shown > 0) stdout.write(`\u001b[${shown}A\u001b[J`);
    shown = 0;
  };
  return {
    paint,
    step(title) {
      erase();
      steps += 1;
      plainShownAtMs = performance.now();
      stdout.write(`\n${paint('bold', `${steps}  ${title}`)}\n`);
    },
    say(...lines) {
      erase();
      write(lines);
    },
    command(line, ...further) {
      erase();
      write([`${paint('dim', '$')} ${paint('cyan', line)}`, ...further.map((more) => `    ${paint('cyan', more)}`)]);
    },
    live(lines) {
      if (!isTty) {
        if (performance.now() - plainShownAtMs < PLAIN_LIVE_EVERY_MS) return;
        plainShownAtMs = performance.now();
        write(lines);
        return;
      }
      erase();
      write(lines);
      shown = lines.length;
    },
    settle(last = []) {
      erase();
      write(last);
    },
  };
}

/** @param share 0..1 */
export function bar(share: number, paint: Paint, cells: number = BAR_CELLS): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * cells);
  return `${paint('green', '█'.repeat(full))}${paint('dim', '░'.repeat(cells - full))} ${String(Math.floor(Math.min(1, share) * 100)).padStart(3)}%`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
