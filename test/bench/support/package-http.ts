import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as portalHttp from '../../../src/http.js'
import { packageDirectory } from './package.js'

/** The entry point for HTTP of the package as built; apart, for embedded rows load none of it. */
export const { connect, http } = (await import(
  pathToFileURL(resolve(packageDirectory, 'dist/http.js')).href
)) as typeof portalHttp
