/** The bounds of our histograms. */

/** Seconds; etcd's for its log and its backend. */
export const diskBuckets: number[] = powersOfTwo(0.001, 14);
/** Seconds between a deadline and its expiry. */
export const lagBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Shares of a whole. */
export const shareBuckets = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/** Those of go-grpc-prometheus, in seconds. */
export const handlingBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** `count` bounds, each twice the one before. */
export function powersOfTwo(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, power) => first * 2 ** power);
}
