import type { VersionScheme } from '../domain/version.ts';
import type { View } from '../ports/search-cluster.ts';
import type { LeaderIdentity } from './leader-fence.ts';
import { withQuarantine } from './quarantine/follower-as-if-taken.ts';
import type { ReplicatorPorts, ReplicatorSetup } from './replicator-setup.ts';
import type { Sides } from './sides.ts';

type Ports = Pick<ReplicatorPorts, 'leader' | 'follower'>;

/** The views that a comparison looks at, until they are kept by it. */
export class OpenedSides {
  readonly #ports: Ports;
  readonly #giveBack: () => void;
  #leaderView: View | undefined;
  #followerView: View | undefined;
  #kept = false;

  /** `giveBack`: the leave to compare. */
  constructor(ports: Ports, giveBack: () => void) {
    this.#ports = ports;
    this.#giveBack = giveBack;
  }

  async leader(wish: { index: string; shard: number; nodeId: string }, signal: AbortSignal): Promise<View> {
    this.#leaderView = await this.#ports.leader.openView(wish, signal);
    return this.#leaderView;
  }

  /**
   * Both sides as they are now: all that was written becomes searchable, and where the pair has a follower shard of its own, that is kept as it is
   * then. Elsewhere other pairs go on writing anyway, and nothing of this pair may be written until the comparison has ended.
   */
  async sides(
    { followerIndex, aligned, quarantine }: Pick<ReplicatorSetup, 'followerIndex' | 'aligned' | 'quarantine'>,
    { leader, scheme }: { readonly leader: LeaderIdentity; readonly scheme: VersionScheme },
    signal: AbortSignal,
  ): Promise<Sides> {
    const { follower } = this.#ports;
    const { shard, index: leaderIndex } = leader;
    await follower.refresh(followerIndex, signal);
    if (aligned) this.#followerView = await follower.openView({ index: followerIndex, shard }, signal);
    const followerView = this.#followerView;
    const both = { leader: this.#ports.leader, leaderIndex, follower, followerIndex, followerView };
    return withQuarantine({ ...both, shard, scheme, aligned }, quarantine);
  }

  /** They outlive `closeUnlessKept`. */
  keep(): void {
    this.#kept = true;
  }

  async closeUnlessKept(): Promise<void> {
    if (!this.#kept) await this.close();
  }

  async close(): Promise<void> {
    const { leader, follower } = this.#ports;
    try {
      if (this.#leaderView !== undefined) await leader.closeView(this.#leaderView);
      if (this.#followerView !== undefined) await follower.closeView(this.#followerView);
    } finally {
      this.#giveBack();
    }
  }
}
