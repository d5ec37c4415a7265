/** What to do about an error of SQLite, to be said after what happened. */
export function adviceFor(error: unknown): string {
  const code = String((error as { code?: unknown } | undefined)?.code)
  if (code === 'SQLITE_FULL')
    return '. Make room on the disk, then start the broker again: what was acknowledged is there.'
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB')
    return '. The database is damaged. In a cluster start the broker on an empty directory: it gets everything from the other replicas. A broker that is alone needs its directory restored from a backup.'
  if (code.startsWith('SQLITE_IOERR'))
    return '. Look after the disk (dmesg), then start the broker again: what was acknowledged is there if the disk is whole.'
  return ''
}
