/** Loaded before a script that run.mjs starts: when run.mjs is gone, however it ended, the script is asked to stop too. */
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}
