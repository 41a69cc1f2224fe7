/**
 * The account of this user at an ACME server: its key in a 0600 file, made with the first order.
 *
 * @module
 */
import { createHmac } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, writeFileAtomic } from '@countersign/core'
import { PrivateKey } from '@countersign/x509'
import { configFolder } from '../config-folder.ts'
import { ProgramError } from '../errors.ts'
import { AcmeConnection, type AcmeFetch } from './connection.ts'

/** How an account is made. */
export interface AccountOptions {
  /** The key of an external account: its id, and the MAC key in base64url. */
  readonly externalAccount: { readonly id: string; readonly hmacKey: string } | undefined
  /** Whether the user has agreed to the terms of the server. */
  readonly agreed: boolean
}

/**
 * Opens a server with the account that the user has there.
 *
 * @throws ProgramError `not-found` where there is none, `acme-refused`, `acme-invalid`, `file-unreadable`
 */
export async function openExistingAccount(
  fetch: AcmeFetch,
  directory: string,
): Promise<AcmeConnection> {
  const key = readKey(accountFile(directory))
  if (key === undefined) {
    throw new ProgramError('not-found', `there is no account at ${directory}`, {
      hint: 'only the account that ordered a certificate renews and revokes it, with the key in the settings of who ordered',
    })
  }
  const connection = await AcmeConnection.open(fetch, directory, key)
  const url = connection.resource('newAccount')
  const { headers } = await connection.post(url, { onlyReturnExisting: true })
  connection.account = headers.get('location') ?? undefined
  return connection
}

/**
 * Opens a server with the user's account, which is made where there is none.
 *
 * @throws ProgramError `acme-refused`, `acme-invalid`, `acme-terms`, `file-unreadable`
 */
export async function openAccount(
  fetch: AcmeFetch,
  directory: string,
  options: AccountOptions,
): Promise<AcmeConnection> {
  const file = accountFile(directory)
  const kept = readKey(file)
  const key = kept ?? (await PrivateKey.generate('p256'))
  const connection = await AcmeConnection.open(fetch, directory, key)
  if (kept === undefined) {
    makeFolder(path.dirname(file), 0o700)
    // Before the account exists: a key that is lost would leave one that nobody can use.
    await writeFileAtomic(file, key.toPem())
  }
  const terms = connection.meta('termsOfService')
  if (typeof terms === 'string' && !options.agreed) {
    throw new ProgramError('acme-terms', `the server has terms of service: ${terms}`, {
      hint: 'read them, and agree with --acme-agree',
    })
  }
  const { externalAccount } = options
  const url = connection.resource('newAccount')
  const answer = await connection.post(url, {
    termsOfServiceAgreed: options.agreed ? true : undefined,
    externalAccountBinding:
      externalAccount === undefined ? undefined : bind(connection, url, externalAccount),
  })
  connection.account = answer.headers.get('location') ?? undefined
  return connection
}

/** Where the key for a server is kept. */
function accountFile(directory: string): string {
  const { host, pathname } = new URL(directory)
  const name = `${host}${pathname}`.replaceAll(/[^A-Za-z0-9.-]/g, '_').replaceAll('..', '__')
  return path.join(configFolder(), `acme-${name}.key`)
}

function readKey(file: string): PrivateKey | undefined {
  if (!existsSync(file)) return undefined
  return PrivateKey.parse(readFileSync(file, 'utf8'), { source: file })
}

/** RFC 8555 §7.3.4. */
function bind(
  connection: AcmeConnection,
  url: string,
  { id, hmacKey }: { id: string; hmacKey: string },
): object {
  const parts = {
    protected: encode({ alg: 'HS256', kid: id, url }),
    payload: encode(connection.jwk),
  }
  const signature = createHmac('sha256', Buffer.from(hmacKey, 'base64url'))
    .update(`${parts.protected}.${parts.payload}`)
    .digest('base64url')
  return { ...parts, signature }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
