/**
 * The environment variables of `countersign serve`, read once.
 *
 * @module
 */
import { nonEmpty } from './data-folder.ts'
import { ProgramError } from './errors.ts'

/** What the variables say; a variable that is empty counts as not set. */
export interface ServeEnvironment {
  https: boolean
  verifyUser: boolean
  host: string | undefined
  port: number | undefined
  cert: string | undefined
  key: string | undefined
  ca: string | undefined
}

/**
 * Reads `HTTPS_ENABLED`, `VERIFY_USER`, `API_HOST`, `API_PORT`, `API_CRT`, `API_KEY` and `API_CA_T`.
 *
 * @throws {@link ProgramError} `usage` naming the variable
 */
export function readServeEnvironment(env: NodeJS.ProcessEnv): ServeEnvironment {
  return {
    https: readSwitch(env, 'HTTPS_ENABLED'),
    verifyUser: readSwitch(env, 'VERIFY_USER'),
    host: nonEmpty(env['API_HOST']),
    port: readPort(env, 'API_PORT'),
    cert: nonEmpty(env['API_CRT']),
    key: nonEmpty(env['API_KEY']),
    ca: nonEmpty(env['API_CA_T']),
  }
}

function readSwitch(env: NodeJS.ProcessEnv, name: string): boolean {
  const value = (env[name] ?? '').toLowerCase()
  if (['', 'false', '0', 'no', 'off'].includes(value)) return false
  if (['true', '1', 'yes', 'on'].includes(value)) return true
  throw new ProgramError('usage', `${name} is "${env[name]}", which is neither true nor false`)
}

function readPort(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const value = nonEmpty(env[name])
  if (value === undefined) return undefined
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return Number(value)
  throw new ProgramError('usage', `${name} is "${value}", which is no port`)
}
