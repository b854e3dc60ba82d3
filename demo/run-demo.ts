/** The demo from the first server to the last proof. */
import { integer } from '../src/cli/text.ts';
import type { PairEvent } from '../src/domain/journal.ts';
import type { VerifyReport } from '../src/replication/verify/report.ts';
import { type Guard, startGuard } from '../stack/guard.ts';
import { loadCities } from './cities.ts';
import { type Control, natsControl, until } from './control.ts';
import { DemoFailure, failureLines, Interrupted } from './demo-failure.ts';
import { type FirstCopy, watchFirstCopy } from './first-copy.ts';
import { type LiveLoadReport, type LoadCounts, runLiveLoad } from './live-load.ts';
import { pauseAndResume, type PauseReport } from './pause-and-resume.ts';
import { checkHistory, historyOf, type Proof, untilInStep, untilTraced, verifyContent } from './proof.ts';
import { configOf, FOLLOWER, LEADER, removeTraces, type Servers, startServers } from './servers.ts';
import { bar, seconds, type Story } from './story.ts';
import { type SlipstreamCommand, slipstreamIn, type SupervisorProcess } from './supervisor-process.ts';
