import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

test('where there is no Node the channels are there, and nobody listens', async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../../src/runtime/diagnostics.ts', import.meta.url))],
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'bundle',
    write: false,
  })
  const browser = createContext({})
  runInContext(outputFiles[0]!.text, browser)
  expect(runInContext('Object.values(bundle.diagnostics).length', browser)).toBeGreaterThan(5)
  expect(runInContext('Object.values(bundle.diagnostics).some((one) => one.hasSubscribers)', browser)).toBe(
    false,
  )
  runInContext('bundle.diagnostics.produce.publish({})', browser)
})
