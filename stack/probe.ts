import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect } from 'node:net';

const PROBE_TIMEOUT_MS = 3_000;

export type HttpProbe = {
  readonly url: string;
  readonly authorization?: string | undefined;
  readonly ca?: string | undefined;
};

/** The HTTP status of a GET, or undefined when no answer came. */
export function httpStatus({ url, authorization, ca }: HttpProbe): Promise<number | undefined> {
  return new Promise((resolve) => {
    const options = { timeout: PROBE_TIMEOUT_MS, agent: false, headers: authorization ? { authorization } : {} };
    const request = url.startsWith('https:') ? requestHttps(url, { ...options, ca }) : requestHttp(url, options);
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
    request.end();
  });
}

/** Whether something accepts connections there. */
export function accepts({ host, port }: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PROBE_TIMEOUT_MS });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => done(true));
    socket.on('timeout', () => done(false));
    socket.on('error', () => done(false));
  });
}
