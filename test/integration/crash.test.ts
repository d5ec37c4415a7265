import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Admin, Consumer, createBroker, Reader } from '../../src/index.js'
import { bundleProgram } from '../support/bundle.js'
import { CrashLedger } from './crash/ledger.js'
import { liveAndDie } from './crash/rounds.js'

const ROUNDS = 100

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'portal-mq-crash-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test(`killed ${ROUNDS} times under load, it loses nothing that was acknowledged and brings back nothing that was acked [invariants 3, 12, 14, 19, 24]`, {
  timeout: 240_000,
}, async () => {
  const data = join(directory, 'data')
  const bundle = await bundleProgram('test/integration/crash/child.ts', 'crash-child')
  const ledger = new CrashLedger()
  for (let round = 0; round < ROUNDS; round++) {
    await liveAndDie(bundle, data, round, Math.random() * 120, ledger)
    if (ledger.violations.length > 0) break
  }
  expect(ledger.violations).toEqual([])
  expect(ledger.sent.size).toBeGreaterThan(ROUNDS)

  const broker = await createBroker({ directory: data })
  try {
    const stored = await readAll(broker)
    for (const [number, offset] of ledger.sent) expect(stored.get(number), `message ${number}`).toBe(offset)
    for (const group of ['wide', 'narrow']) await checkGroup(broker, group, stored, ledger)
  } finally {
    await broker.close()
  }
})

type OpenBroker = Awaited<ReturnType<typeof createBroker>>

/** Number -> offset of every message; none is stored twice, offsets have no gaps. */
async function readAll(broker: OpenBroker): Promise<Map<number, number>> {
  const stored = new Map<number, number>()
  let next = 0
  for await (const { value, offset } of new Reader<{ number: number }>(broker, 'load')) {
    expect(offset).toBe(next++)
    expect(stored.has(value.number), `message ${value.number} is stored twice`).toBe(false)
    stored.set(value.number, offset)
  }
  return stored
}

/** Whatever the group has not acknowledged is delivered now, once everything is settled the counts add up. */
async function checkGroup(
  broker: OpenBroker,
  group: string,
  stored: ReadonlyMap<number, number>,
  ledger: CrashLedger,
): Promise<void> {
  const admin = new Admin(broker)
  const consumer = new Consumer<{ number: number }>(broker, 'load', { group })
  const settled = consumer.run(
    async ({ value }) => {
      ledger.hear(`got ${group} ${value.number}`)
      ledger.acked(group).add(value.number)
    },
    { concurrency: 64 },
  )
  await expect
    .poll(async () => (await admin.describeGroup('load', group)).partitions[0]?.lag, {
      timeout: 60_000,
      interval: 50,
    })
    .toBe(0)
  await consumer.close()
  await settled
  const [partition] = (await admin.describeGroup('load', group)).partitions
  expect(partition).toMatchObject({
    acked: stored.size,
    deadLettered: 0,
    discarded: 0,
    expired: 0,
    floor: stored.size,
  })
  expect(ledger.violations).toEqual([])
}
