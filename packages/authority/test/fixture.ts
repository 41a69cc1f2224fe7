/** What the tests of this room share: authorities in throw-away folders, keys made once. */
import path from 'node:path'
import { after, before } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  type Authority,
  type InitAuthorityOptions,
  initAuthority,
  type IssueRequest,
} from '@countersign/authority'
import { openStore, type Store } from '@countersign/store'
import { temporaryFolder } from '@countersign/testkit'
import { PrivateKey } from '@countersign/x509'

/** An authority that ends with its test. */
export interface Fixture {
  readonly authority: Authority
  readonly store: Store
  readonly folder: string
}

type Scope = Parameters<typeof temporaryFolder>[0]

/** Makes an authority on a database in memory. */
export async function makeAuthority(
  scope: Scope,
  options: Partial<InitAuthorityOptions> = {},
): Promise<Fixture> {
  const folder = temporaryFolder(scope)
  const store = options.store ?? (await openMemory(scope))
  const authority = await initAuthority({ ...options, store, folder })
  return { authority, store, folder }
}

/** An authority for all tests of a suite; call it in the suite's body, the authority is there when its tests run. */
export function suiteAuthority(options: Partial<InitAuthorityOptions> = {}): { current: Fixture } {
  const folder = temporaryFolder(after)
  let fixture: Fixture | undefined
  before(async () => {
    const store = await openStore('sqlite::memory:')
    fixture = { authority: await initAuthority({ ...options, store, folder }), store, folder }
  })
  after(() => fixture?.store.close())
  return {
    get current() {
      if (fixture === undefined) throw new Error('the suite has not begun')
      return fixture
    },
  }
}

/** A database in memory that is closed with its test. */
export async function openMemory(scope: Scope): Promise<Store> {
  const store = await openStore('sqlite::memory:')
  const whenDone = typeof scope === 'function' ? scope : scope.after.bind(scope)
  whenDone(() => store.close())
  return store
}

/** A key for leaves. */
export const leafKey: PrivateKey = PrivateKey.generateSync('p256')

/** A request for a server, with what matters laid over it. */
export function serverRequest(changes: Partial<IssueRequest> = {}): IssueRequest {
  const publicKey = 'csr' in changes ? undefined : leafKey.publicKey
  return {
    names: ['api.corp.internal'],
    publicKey,
    profile: 'server',
    requester: 'test',
    ...changes,
  }
}

/** The same for a client. */
export function clientRequest(changes: Partial<IssueRequest> = {}): IssueRequest {
  return serverRequest({ names: ['alice'], profile: 'client', ...changes })
}

/** The arguments that run a program of the folder `child`. */
export function childArguments(program: string, ...args: readonly string[]): string[] {
  const file = fileURLToPath(new URL(`child/${program}`, import.meta.url))
  return ['--conditions=@countersign/source', file, ...args]
}

/** The address of a database file. */
export function sqliteUrl(folder: string): string {
  return `sqlite:${path.join(folder, 'ledger.db')}`
}

/** The code of whatever a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code)
    throw error
  }
  return 'none'
}
