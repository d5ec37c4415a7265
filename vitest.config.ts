import { defineConfig } from 'vitest/config'
import { storageWorkerBundle } from './test/setup/storage-worker.js'

/** Folders of test/, each a project: `vitest run --project unit`. The limits are for a busy machine of 2 cores. */
const projects = {
  /** One module at a time. */
  unit: { testTimeout: 60_000 },
  /** Every adapter against the suite of its interface. */
  conformance: { testTimeout: 30_000 },
  /** A whole broker, real disk, real processes. */
  integration: { testTimeout: 120_000, setup: ['./test/setup/storage-worker.ts', './test/setup/strace.ts'] },
  /**
   * Real ZooKeeper servers, and clusters of processes: after all others and one file at a time, since sessions end when nobody has time for them.
   */
  cluster: {
    testTimeout: 240_000,
    setup: ['./test/setup/storage-worker.ts', './test/setup/zookeeper.ts'],
    alone: true,
  },
  /** The seeded simulator: virtual time, so seconds of work for hours of history. */
  simulation: { testTimeout: 300_000 },
  /** Whatever can be sent, for PORTAL_MQ_FUZZ_SECONDS (30); PORTAL_MQ_FUZZ_SEED replays a round. */
  fuzz: { testTimeout: 3_600_000 },
  /** The client in headless Chromium. */
  browser: { testTimeout: 60_000, setup: ['./test/setup/storage-worker.ts', './test/setup/chromium.ts'] },
  /** The packed tarball in fresh projects; needs a package manager and a compiler, so `npm test` leaves it out. */
  package: { testTimeout: 600_000, setup: './test/setup/packed-tarball.ts' },
} satisfies Record<string, { testTimeout: number; setup?: string | string[]; alone?: boolean }>

export default defineConfig({
  test: {
    // Processes, not threads: native modules and process.exit stay what they are outside the tests.
    pool: 'forks',
    maxWorkers: 2,
    // A test that passes the second time has found something.
    retry: 0,
    // For what comes by itself: a busy machine takes longer than the second that is the default.
    expect: { poll: { timeout: 20_000, interval: 20 } },
    passWithNoTests: true,
    coverage: { include: ['src/**/*.ts'] },
    projects: Object.entries(projects).map(([name, { testTimeout, ...rest }]) => ({
      extends: true,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        testTimeout,
        hookTimeout: testTimeout,
        env: { PORTAL_MQ_STORAGE_WORKER: storageWorkerBundle },
        globalSetup: 'setup' in rest ? rest.setup : './test/setup/storage-worker.ts',
        ...('alone' in rest ? { sequence: { groupOrder: 1 }, maxWorkers: 1 } : {}),
      },
    })),
  },
})
