import { isPortalError, type PortalError } from '../core/errors.js'

export interface DamageHost {
  /** A log cannot be read: it is to be repaired, where others have it. Returns what to tell whoever has asked. */
  damaged(log: string, error: PortalError): PortalError
}

/** What is read of a log that is led here. Rejects with CORRUPT if it is damaged, NOT_LEADER if another replica has it and shall lead. */
export async function ledRead<T>(host: DamageHost, log: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    throw isPortalError(error, 'CORRUPT') ? host.damaged(log, error) : error
  }
}
