import { describe, test } from 'vitest'
import { transportConformance } from '../../src/transport/conformance.js'
import { http } from '../../src/transport/http/http.js'
import { inProcess } from '../../src/transport/in-process.js'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

describe('the in-process transport', () => {
  for (const { name, run } of transportConformance({ network: false }))
    test(name, () => run(async () => inProcess()))
})

describe('HTTP', () => {
  for (const { name, run } of transportConformance({ network: true }))
    test(name, () => run(async () => http({ port: 0, logger: quiet })))
})

describe('HTTP with a secret of the cluster', () => {
  const cluster = { secret: 'the-secret-of-a-cluster-in-a-test' }
  for (const { name, run } of transportConformance({ network: true }))
    if (/broker|passed on|passes/.test(name))
      test(name, () => run(async () => http({ port: 0, logger: quiet, cluster })))
})
