/**
 * The session behind `get`, `fetch` and `login`: whom it trusts, who we are, and the cookies and credentials that are kept
 * between runs.
 *
 * They are kept per `--session NAME`, or per origin after `login`, in 0600 files below `$COUNTERSIGN_CONFIG`, else
 * `$XDG_CONFIG_HOME/countersign`, else `~/.config/countersign`. Credentials are for the origin they were given for, whatever
 * else is called under the same name.
 *
 * @module
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import type { Auth, SavedSession, Session, SessionOptions } from '@countersign/client'
import { errorMessage, makeFolder, writeFileAtomic } from '@countersign/core'
import type { ClientFlags } from './client-options.ts'
import { configFolder } from './config-folder.ts'
import type { DataFolder } from './data-folder.ts'
import { ProgramError } from './errors.ts'
import { ownRoots } from './own-roots.ts'

/** A session with the cookies kept for it. */
export interface KeptSession extends AsyncDisposable {
  session: Session
  /** Where its cookies are kept; `undefined` where nothing keeps them. */
  file: string | undefined
  /** Writes the cookies back. */
  save(): Promise<void>
}

/**
 * Opens the session of a command.
 *
 * @param url - of the (first) call: the login of its origin is used, and `--cert` is shown to no other origin
 * @param options.keep - keep cookies for this origin even where no file is there yet: `login`
 * @param options.auth - credentials for that origin, instead of those that are kept
 */
export async function openSession(
  flags: ClientFlags,
  data: DataFolder,
  url: string,
  options: { keep?: boolean; auth?: Auth | undefined } = {},
): Promise<KeptSession> {
  const { Session: ClientSession } = await import('@countersign/client')
  const file = sessionFile(flags, url, options.keep === true)
  const { origin } = new URL(url)
  const saved = readSaved(file)
  const home = originOf(saved)
  // What is kept for another origin stays kept, and stays at home.
  const foreign = home !== undefined && home !== origin && options.auth === undefined
  const session = ClientSession.fromJSON(
    { ...saved, baseUrl: undefined, ...(foreign ? { auth: undefined } : {}) },
    {
      ...trust(flags, data),
      cert: flags.cert,
      key: flags.key,
      origins: [origin],
      timeoutMs: flags.timeout,
      proxy: proxy(flags),
      socketPath: flags.unixSocket,
      ...(options.auth === undefined ? {} : { auth: options.auth }),
    },
  )
  return {
    session,
    file,
    async save() {
      if (file === undefined) return
      const { auth, cookies } = session.toJSON()
      const kept = foreign
        ? { version: 1, baseUrl: home, auth: member(saved, 'auth'), cookies }
        : { version: 1, baseUrl: origin, auth, cookies }
      // Only what is made here is closed to others: the folder may be one that somebody named.
      makeFolder(path.dirname(file), 0o700)
      await writeFileAtomic(file, `${JSON.stringify(kept)}\n`)
    },
    async [Symbol.asyncDispose]() {
      await session[Symbol.asyncDispose]()
    },
  }
}

/** Forgets the login of an origin. */
export function forgetLogin(url: string): void {
  rmSync(loginFile(url), { force: true })
}

/** A URL as people type it: `localhost:8443/x` means https. */
export function completeUrl(text: string): string {
  const complete = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`
  if (/^https?:/i.test(complete) && URL.canParse(complete)) return complete
  throw new ProgramError('usage', `"${text}" is no address to call`, {
    hint: 'write https://HOST[:PORT]/PATH',
  })
}

function trust(flags: ClientFlags, data: DataFolder): SessionOptions {
  const extra = [...(flags.extraCa ?? []), ...ownRoots(data, flags.ca)]
  return {
    verify: flags.verify,
    ca: flags.ca,
    extraCa: flags.verify === false || extra.length === 0 ? undefined : extra,
  }
}

/** The proxy of the options; one that the environment names may be trusted by them as well. */
function proxy(flags: ClientFlags): SessionOptions['proxy'] {
  if (flags.proxy === false) return false
  if (flags.proxy?.includes('@') === true) {
    throw new ProgramError(
      'usage',
      '--proxy holds credentials, which every process of this machine could read',
      { hint: 'put the address into a variable instead: HTTPS_PROXY, or HTTP_PROXY for http URLs' },
    )
  }
  if (flags.proxy === undefined && flags.proxyCa === undefined) return undefined
  return { url: flags.proxy, ca: flags.proxyCa }
}

function sessionFile(flags: ClientFlags, url: string, keep: boolean): string | undefined {
  if (flags.session !== undefined)
    return path.join(configFolder(), `session-${safe(flags.session)}.json`)
  const file = loginFile(url)
  return keep || existsSync(file) ? file : undefined
}

function loginFile(url: string): string {
  return path.join(configFolder(), `login-${safe(new URL(url).origin)}.json`)
}

/** What a session file holds; a new session where there is no file. */
function readSaved(file: string | undefined): object {
  if (file === undefined || !existsSync(file)) return { version: 1, cookies: [] }
  const damaged = (fault: string): ProgramError =>
    new ProgramError('file-unreadable', `${file} is damaged: ${fault}`, {
      hint: `remove it and sign in again: rm ${file}`,
    })
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw damaged(errorMessage(error))
  }
  try {
    const saved: unknown = JSON.parse(text)
    if (typeof saved === 'object' && saved !== null) return saved
  } catch {
    // The parser's own words quote what it read: a cookie, perhaps.
  }
  throw damaged('it is not JSON')
}

/** The origin that what is kept beside cookies is for. */
function originOf(saved: object): string | undefined {
  const url = URL.parse(String(member(saved, 'baseUrl')))
  return url === null ? undefined : url.origin
}

function member(saved: object, name: keyof SavedSession): unknown {
  return Reflect.get(saved, name)
}

/** A name as part of a file name: nothing in it leads to another folder. */
function safe(name: string): string {
  return name.replaceAll(/[^a-z0-9.-]/gi, '_').replaceAll('..', '__')
}
