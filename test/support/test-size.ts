/** `full` runs the long versions of tests; `npm test` runs the short ones. */
export function bySize<T>(sizes: { readonly short: T; readonly full: T }): T {
  return process.env['SLIPSTREAM_TEST_SIZE'] === 'full' ? sizes.full : sizes.short;
}
