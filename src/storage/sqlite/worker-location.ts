import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { WorkerSettings } from './protocol.js'

/** Without the host's own options: its loaders cost the thread memory and time, and `--input-type` would stop it. */
export function startWorker(settings: Omit<WorkerSettings, 'program'>): Worker {
  const workerData: WorkerSettings = { ...settings, program: process.argv.slice(0, 2).join(' ') }
  return new Worker(storageWorkerLocation(), { workerData, execArgv: [] })
}

/**
 * Where the storage worker's bundle is: beside this one in dist/. Under a test runner, which runs the sources, no worker
 * can start from a .ts file; its global setup bundles the worker and names the file in the environment.
 */
function storageWorkerLocation(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./storage-worker.js', import.meta.url)
  const bundle = process.env['PORTAL_MQ_STORAGE_WORKER']
  if (bundle === undefined)
    throw new Error('PORTAL_MQ_STORAGE_WORKER does not name the bundled storage worker.')
  return pathToFileURL(bundle)
}
