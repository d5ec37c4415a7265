// The last line of .ci/run. `node total.mjs FOLDER [FAILED STEP]...`: adds up the JSON reports that vitest, or what counts
// as it does, left in the folder, one a step, prints `N passed, N failed`, and fails if anything failed or nothing was run.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder, ...failedSteps] = process.argv.slice(2)
let passed = 0
let failed = 0
const explained = new Set()

for (const file of readdirSync(folder)) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  // A file that could not even be loaded has no failed test: it counts as one.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  ).length
  passed += report.numPassedTests
  failed += report.numFailedTests + broken
  if (report.numFailedTests + broken > 0) explained.add(file.replace(/\.json$/, ''))
}

failed += failedSteps.filter((step) => !explained.has(step)).length
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
