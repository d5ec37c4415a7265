import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type Plugin } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

/**
 * Makes one plain JavaScript file of a program in TypeScript, for a child process. It lies within node_modules, so that it finds the packages
 * that it imports; the storage worker is found by the environment, as in all tests. Returns its path.
 */
export async function bundleProgram(source: string, name: string, plugins: Plugin[] = []): Promise<string> {
  const outfile = join(root, 'node_modules/.cache/portal-mq', `${name}-${process.pid}.mjs`)
  await build({
    entryPoints: [join(root, source)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    plugins,
    define: {
      'import.meta.url': JSON.stringify(pathToFileURL(join(root, source)).href),
      PORTAL_MQ_VERSION: JSON.stringify(version),
    },
  })
  return outfile
}
