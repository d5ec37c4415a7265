/**
 * Packs the build in dist/ as test/fixtures/upgrade/<name>.tgz, for test/cluster/upgrade.test.ts: what a broker of that build needs to run, without
 * source maps, types and the CommonJS twin. Run it once for a build that others must go on with: `npm run build:fast && node scripts/upgrade-fixture.mjs NAME`.
 */
import { execFileSync } from 'node:child_process'

const [name] = process.argv.slice(2)
if (name === undefined)
  throw new Error('Say how the build is called: node scripts/upgrade-fixture.mjs first-replicating')
const left = ['--exclude=*.map', '--exclude=*.cjs', '--exclude=*.d.ts', '--exclude=*.d.cts']
// As npm packs it: everything is below package/.
const inPackage = '--transform=s,^,package/,'
const file = `test/fixtures/upgrade/portal-mq-${name}.tgz`
execFileSync('tar', ['-czf', file, ...left, inPackage, 'package.json', 'LICENSE', 'dist'], {
  stdio: 'inherit',
})
