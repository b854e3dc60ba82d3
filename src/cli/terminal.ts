import { setTimeout as delay } from 'node:timers/promises';
import type { Output, StopSignal, Terminal } from './dependencies.ts';

const STOP_SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM'];

/** Writes until the reader goes away, and drops the rest: `slipstream status | head -1` is no error, and the exit code stays what was found. */
function outputOf(stream: NodeJS.WriteStream, onClosed: () => void): Output {
  let closed = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
    closed = true;
    onClosed();
  });
  return { write: (text) => void (closed || stream.write(text)) };
}

/** The real process. */
export function processTerminal(process: NodeJS.Process, env: Terminal['env']): Terminal {
  const { stdout, stderr } = process;
  const closed = new AbortController();
  return {
    stdout: outputOf(stdout, () => closed.abort(new Error('nobody reads the output'))),
    stderr: outputOf(stderr, () => undefined),
    env,
    isTty: stdout.isTTY,
    columns: () => (stdout.isTTY ? stdout.columns : Number.POSITIVE_INFINITY),
    rows: () => (stdout.isTTY ? stdout.rows : Number.POSITIVE_INFINITY),
    now: () => Date.now(),
    async sleep(ms, signal) {
      // Rejects only when aborted, which is the other way to wake up.
      await delay(ms, undefined, { signal }).catch(() => undefined);
    },
    onSignal(listener) {
      const offs = STOP_SIGNALS.map((signal) => {
        const own = (): void => listener(signal);
        process.on(signal, own);
        return () => process.off(signal, own);
      });
      return () => offs.forEach((off) => off());
    },
    exit: (code) => process.exit(code),
    outputClosed: closed.signal,
  };
}

/** Resolves when everything written so far has left the process, or can go nowhere. */
export async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.destroyed || stream.errored !== null) return;
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve());
  });
}
