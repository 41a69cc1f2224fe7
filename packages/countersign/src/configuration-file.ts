/**
 * The text of `countersign.toml`: TOML, and nothing that is not known.
 *
 * @module
 */
import type { RequesterRule } from '@countersign/authority'
import { parse, stringify, TomlError } from 'smol-toml'
import { z } from 'zod'
import { ProgramError } from './errors.ts'

/** The settings as they stand in the file. */
export interface Configuration {
  /** `sqlite:FILE` or `postgres://…`; the data folder's own SQLite file where it is left out. */
  database?: string | undefined
  /** Further host names of the service's own certificate. */
  names?: string[] | undefined
  /** Address and port of the service, `HOST:PORT`. */
  listen?: string | undefined
  /** Where clients reach revocation lists and responder, by plain HTTP; made from name and port where it is left out. */
  publicUrl?: string | undefined
  /** How many processes serve. */
  workers?: number | undefined
  /** Certificates of proxies whose `Client-Cert` counts: `sha256:…` or `spiffe://…`; nobody's where it is left out. */
  clientCertFrom?: string[] | undefined
  /** The header in which those proxies tell their client's address; it stays the proxy's where this is left out. */
  clientAddressFrom?: 'forwarded' | 'x-forwarded-for' | undefined
  /** Who gets nothing without a second factor, but the chance to add one; nobody where it is left out. */
  requireSecondFactor?: 'admins' | 'everybody' | undefined
  /** A file with passwords that nobody may choose, one on each line. */
  refusedPasswords?: string | undefined
  /** A command that tells users what they should hear of: what lets them in was changed, somebody tries to sign in as them. */
  tellUsers?: string | undefined
  /** Whether `/oauth/token` makes tokens for those only who prove a certificate or key that they are bound to. */
  boundTokensOnly?: boolean | undefined
  /** Who may ask for which certificates; those of the authority where they are left out. */
  rules?: RequesterRule[] | undefined
}

/**
 * Reads the text of a settings file.
 *
 * @param file - where it came from, for the message
 * @throws {@link ProgramError} `configuration-invalid`
 */
export function parseConfiguration(text: string, file: string): Configuration {
  const result = schema.safeParse(parseToml(text, file))
  if (result.success) {
    const { clientAddressFrom, clientCertFrom } = result.data
    if (clientAddressFrom === undefined || clientCertFrom !== undefined) return result.data
    throw new ProgramError(
      'configuration-invalid',
      `${file}: clientAddressFrom without clientCertFrom: nobody's word about addresses counts`,
      { hint: 'name the proxies: clientCertFrom = ["spiffe://DOMAIN/NAME"]' },
    )
  }
  const words = z.prettifyError(result.error).replaceAll(/\s+/g, ' ').replace(/^✖ /, '')
  throw new ProgramError('configuration-invalid', `${file}: ${words}`, {
    hint: `known settings: ${Object.keys(schema.shape).join(', ')}`,
  })
}

/** The settings as the text of a file. */
export function printConfiguration(configuration: Configuration): string {
  return `${stringify(configuration)}\n`
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new ProgramError(
      'configuration-invalid',
      `${file}, line ${error.line}, column ${error.column}: not valid TOML`,
      { cause: error },
    )
  }
}

/** Who may ask for which certificates. */
export const RULES: z.ZodType<RequesterRule[]> = z
  .array(
    z.strictObject({
      who: z.array(z.string()).min(1),
      names: z.array(z.string()).min(1),
      profiles: z.array(z.string()).min(1).optional(),
      keyTypes: z.array(z.string()).min(1).optional(),
      maxDays: z.number().positive().max(3650).optional(),
      wildcards: z.boolean().optional(),
    }),
  )
  .max(200)

/** How many processes `up` may serve with. */
const MOST_WORKERS = 128

const schema = z.strictObject({
  database: z.string().min(1).optional(),
  names: z.array(z.string().min(1)).max(100).optional(),
  listen: z.string().min(1).optional(),
  publicUrl: z.string().min(1).optional(),
  workers: z.int().min(1).max(MOST_WORKERS).optional(),
  clientCertFrom: z.array(z.string()).min(1).max(100).optional(),
  clientAddressFrom: z.enum(['forwarded', 'x-forwarded-for']).optional(),
  requireSecondFactor: z.enum(['admins', 'everybody']).optional(),
  refusedPasswords: z.string().min(1).optional(),
  tellUsers: z.string().min(1).max(4096).optional(),
  boundTokensOnly: z.boolean().optional(),
  rules: RULES.optional(),
})
