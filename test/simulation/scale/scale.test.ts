import { beforeAll, describe, expect, it } from 'vitest'
import { runScale, type ScaleReport } from './scale-run.js'

const BROKERS = 12
const PARTITIONS = 300
/** Writes of brokers for themselves: members, lives, candidates. */
const OWN = 20

describe(`${BROKERS} brokers with ${PARTITIONS} partitions of three replicas`, () => {
  let report: ScaleReport
  beforeAll(async () => {
    report = await runScale({ brokers: BROKERS, partitions: PARTITIONS })
  })

  it('are made with one write to the coordination service for each partition', () => {
    const { create } = report
    expect(create.writes).toBeGreaterThanOrEqual(PARTITIONS)
    expect(create.writes).toBeLessThanOrEqual(PARTITIONS + OWN)
    expect(create.reads).toBeLessThanOrEqual(4 * PARTITIONS)
  })

  it('ask each other every two seconds when nobody sends anything, in a hundred bytes, and write nothing', () => {
    const { idle } = report
    const pairs = BROKERS * (BROKERS - 1)
    expect(idle.writes + idle.reads).toBe(0)
    expect(idle.requests).toBe(idle.fetches)
    expect(idle.fetches).toBeLessThanOrEqual(pairs * (idle.milliseconds / 2_000 + 1))
    expect(idle.bytes / idle.fetches).toBeLessThan(120)
  })

  it('name in a fetch only the partition that is used', () => {
    const { used } = report
    expect(used.sent).toBeGreaterThan(50)
    expect(used.fetches / used.sent).toBeLessThan(12)
    expect(used.bytes / used.fetches).toBeLessThan(400)
  })

  it('write once for each replica that a dead broker had, and lead again within a second of its end', () => {
    const { failover } = report
    expect(failover.led).toBeGreaterThan(10)
    expect(failover.writes).toBeGreaterThanOrEqual(failover.replicas)
    expect(failover.writes).toBeLessThanOrEqual(failover.replicas + OWN)
    expect(failover.reads).toBeLessThanOrEqual(failover.replicas + OWN)
    // A session of six seconds, and what is left of a sixth of it since the last word.
    expect(failover.elected).toBeLessThan(7_000)
  })

  it('write twice for what it led and once for what it followed when it comes back', () => {
    const { comeback, failover } = report
    expect(comeback.writes).toBeLessThanOrEqual(failover.replicas + failover.led + OWN)
  })

  it('write as much for a stop and a start as for a death and a return', () => {
    const { rolling } = report
    expect(rolling.writes).toBeLessThanOrEqual(2 * (rolling.replicas + rolling.led) + OWN)
  })

  it('have every document read once by a new controller', () => {
    const { controller } = report
    expect(controller.reads).toBeGreaterThanOrEqual(PARTITIONS)
    expect(controller.reads).toBeLessThanOrEqual(PARTITIONS + 25 * BROKERS)
  })

  it('take some kilobytes of memory for each replica', () => {
    expect(report.bytesPerReplica).toBeGreaterThan(1_000)
    expect(report.bytesPerReplica).toBeLessThan(16_000)
    expect(report.bytesPerBroker).toBeLessThan(1_000_000)
  })
})
