/**
 * The file of `countersign serve --hosts`: host names with certificates or rules of their own, in TOML.
 *
 * ```toml
 * ["ops.corp.internal"]
 * cert = "ops.crt"
 * key = "ops.key"
 * ca = "operators.pem"
 * verifyUser = true
 * permit = { email = "*@corp.internal" }
 * ```
 *
 * @module
 */
import path from 'node:path'
import { parseDuration } from '@countersign/core'
import type { HostOptions } from '@countersign/server'
import { parse, TomlError } from 'smol-toml'
import { z } from 'zod'
import { ProgramError } from '../errors.ts'
import { PERMIT_NAMES } from './permit.ts'

/**
 * Reads the text.
 *
 * @param file - what paths in it are relative to the folder of
 * @throws {@link ProgramError} `configuration-invalid`; CoreError for what is no duration
 */
export function parseHosts(text: string, file: string): Record<string, HostOptions> {
  const result = HOSTS.safeParse(parseToml(text, file))
  if (!result.success) {
    const words = z.prettifyError(result.error).replaceAll(/\s+/g, ' ').replace(/^✖ /, '')
    throw new ProgramError('configuration-invalid', `${file}: ${words}`, {
      hint: `a host has: ${Object.keys(HOST.shape).join(', ')}`,
    })
  }
  const folder = path.dirname(path.resolve(file))
  return Object.fromEntries(
    Object.entries(result.data).map(([name, host]) => [name, optionsOf(host, folder)]),
  )
}

function optionsOf(host: z.infer<typeof HOST>, folder: string): HostOptions {
  const { crlLeafOnly, crlGrace, cert, key, ca, crl, ...rest } = host
  const at = (given: string | undefined): string | undefined =>
    given === undefined ? undefined : path.resolve(folder, given)
  const lists = crl === undefined || Array.isArray(crl) ? crl : [crl]
  return {
    ...rest,
    cert: at(cert),
    key: at(key),
    ca: at(ca),
    crl: lists?.map((one) => (/^https?:\/\//i.test(one) ? one : path.resolve(folder, one))),
    revocation:
      crlLeafOnly === undefined && crlGrace === undefined
        ? undefined
        : {
            depth: crlLeafOnly === true ? 'leaf' : 'chain',
            stale: crlGrace === undefined ? 'fail-closed' : parseDuration(crlGrace),
          },
  }
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new ProgramError(
      'configuration-invalid',
      `${file}, line ${error.line}, column ${error.column}: not valid TOML`,
      { cause: error, hint: 'a host begins with ["admin.corp.internal"], its quotes included' },
    )
  }
}

const FILE = z.string().min(1)
const SOME = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])

const HOST = z.strictObject({
  cert: FILE.optional(),
  key: FILE.optional(),
  ca: FILE.optional(),
  verifyUser: z.union([z.boolean(), z.literal('ask')]).optional(),
  strict: z.boolean().optional(),
  permit: z.partialRecord(z.enum(PERMIT_NAMES), SOME).optional(),
  crl: SOME.optional(),
  crlLeafOnly: z.boolean().optional(),
  crlGrace: z.string().optional(),
})

const HOSTS = z.record(z.string(), HOST)
