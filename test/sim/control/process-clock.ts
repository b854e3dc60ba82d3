import type { VirtualClock } from '../../support/virtual-clock.ts';
import { MortalClock } from '../sim-life.ts';

/** The clock of one process whose wall clock can be set, and that can be suspended: what is due then happens when it goes on. */
export class ProcessClock extends MortalClock {
  readonly #world: VirtualClock;
  readonly #held: (() => void)[] = [];
  #suspended = false;
  #skewMs = 0;
  /** Of a machine that was suspended with its process, and whose monotonic clock stood still meanwhile. */
  #stoodStillMs = 0;
  #stoodStillSinceMs: number | undefined;

  constructor(world: VirtualClock) {
    super(world);
    this.#world = world;
  }

  override now(): number {
    return super.now() + this.#skewMs;
  }

  override monotonic(): number {
    return (this.#stoodStillSinceMs ?? super.monotonic()) - this.#stoodStillMs;
  }

  override setTimeout(callback: () => void, ms: number): unknown {
    return super.setTimeout(() => this.hear(callback), ms);
  }

  /** Something reaches the process, if it is there and runs; at once, or when it runs again. */
  hear(callback: () => void): void {
    if (!this.alive) return;
    if (this.#suspended) this.#held.push(callback);
    else callback();
  }

  jump(ms: number): void {
    this.#skewMs += ms;
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  suspend({ standsStill }: { standsStill: boolean }): void {
    this.#suspended = true;
    if (standsStill) this.#stoodStillSinceMs = this.#world.monotonic();
  }

  goOn(): void {
    if (!this.#suspended) return;
    this.#suspended = false;
    if (this.#stoodStillSinceMs !== undefined) this.#stoodStillMs += this.#world.monotonic() - this.#stoodStillSinceMs;
    this.#stoodStillSinceMs = undefined;
    for (const callback of this.#held.splice(0)) if (this.alive) callback();
  }
}
