import { readFile } from 'node:fs/promises'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { describe, expect, inject, it } from 'vitest'
import { run, tool } from './run.js'

const tarball = inject('tarball')

describe('the packed tarball', () => {
  it('holds dist, README, CHANGELOG, LICENSE and the manifest, and nothing else', async () => {
    const files = (await run('tar', ['-tzf', tarball])).trim().split('\n')
    const expected = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']
    expect(files.filter((file) => !file.startsWith('package/dist/')).sort()).toEqual(
      expected.map((file) => `package/${file}`),
    )
    expect(files).toContain('package/dist/storage-worker.js')
    expect(files).toContain('package/dist/cli.js')
  })

  it('is what publint asks for', async () => {
    const bytes = await readFile(tarball)
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(bytes).buffer }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
  })

  it('has types that are right for ESM and for CJS', async () => {
    await run(tool('attw'), [tarball, '--profile', 'node16'])
  })
})
