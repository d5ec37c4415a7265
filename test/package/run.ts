import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = fileURLToPath(new URL('../../', import.meta.url))

/** The path of one of the repository's development tools. */
export function tool(name: string): string {
  return join(repository, 'node_modules/.bin', name)
}

/** Runs a program and resolves to what it printed; rejects with all of that if it fails or hangs. */
export function run(
  program: string,
  options: readonly string[],
  { cwd = repository, timeout = 60_000 }: { readonly cwd?: string; readonly timeout?: number } = {},
): Promise<string> {
  const shell = process.platform === 'win32'
  return new Promise((resolve, reject) => {
    execFile(
      program,
      options,
      { cwd, timeout, shell, env: environment(), maxBuffer: 64 * 2 ** 20 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`${program} ${options.join(' ')}: ${error.message}\n${stdout}\n${stderr}`))
      },
    )
  })
}

/** As a user's shell has it: without what npm and vitest set for the programs that they start. */
function environment(): NodeJS.ProcessEnv {
  const ours =
    /^(npm_(config_local_prefix|config_prefix|lifecycle|package|command|execpath|node_execpath)|VITEST|NODE_ENV|PORTAL_MQ)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
}
