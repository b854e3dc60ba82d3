import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nearest } from '../../../src/config/suggest.ts';

const KEYS = ['url', 'auth', 'requestTimeoutMs', 'maxConnections', 'max_read_request_size_bytes'];

it('suggests the key that was meant, and nothing where none is near', () => {
  const meant = {
    ulr: 'url',
    URL: 'url',
    request_timeout_ms: 'requestTimeoutMs',
    maxConection: 'maxConnections',
    max_read_request_size: 'max_read_request_size_bytes',
    password: undefined,
    x: undefined,
  };
  for (const [typed, expected] of Object.entries(meant)) assert.equal(nearest(typed, KEYS), expected, typed);
});
