import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Session } from '@countersign/client'
import { scrubProcess } from '@countersign/testkit'
import {
  CREDENTIALS,
  type Fate,
  type Grid,
  type GridClient,
  REDIRECTS,
  startGrid,
} from './leak-grid.ts'

scrubProcess()
let grid: Grid

before(async () => {
  grid = await startGrid()
})
after(async () => {
  await grid[Symbol.asyncDispose]()
})

/** Everything the session's own, so that whatever it lends its calls is in the grid. */
const ofTheSession: GridClient = async ({ url, method, headers, form, basic, ca, identity }) => {
  await using session = new Session({ ca, headers, auth: basic, ...identity })
  return (await session.request(url, { method, form: formOf(form) })).text()
}

/** The same with a home, which is another rule for what goes where. */
const ofAHome: GridClient = async ({ url, method, headers, form, basic, ca, identity }) => {
  const baseUrl = new URL(url).origin
  await using session = new Session({ baseUrl, ca, headers, auth: basic, ...identity })
  return (await session.request(url, { method, form: formOf(form) })).text()
}

/** Everything the call's own. */
const ofTheCall: GridClient = async ({ url, method, headers, form, basic, ca, identity }) => {
  await using session = new Session()
  const options = { method, headers, auth: basic, form: formOf(form), ca, ...identity }
  return (await session.request(url, options)).text()
}

/** HTTP/2 where the server speaks it. */
const overHttp2: GridClient = async ({ url, method, headers, form, basic, ca, identity }) => {
  await using session = new Session({ http: 'auto', ca, headers, auth: basic, ...identity })
  return (await session.request(url, { method, form: formOf(form) })).text()
}

const clients: readonly (readonly [string, GridClient])[] = [
  ['of a session', ofTheSession],
  ['of a session with a home', ofAHome],
  ['of a call', ofTheCall],
  ['of a session that prefers HTTP/2', overHttp2],
]

for (const [name, client] of clients) {
  describe(`the credentials ${name} do not leave their origin`, () => {
    for (const credential of CREDENTIALS) {
      for (const redirect of REDIRECTS) {
        it(`${credential}: ${redirect}`, async () => {
          const fate = await grid.fate(client, credential, redirect)
          assert.deepEqual(fate, expected(credential, redirect))
        })
      }
    }
  })
}

function expected(credential: string, redirect: string): Fate {
  // Nothing is said over plain HTTP that was to be said over TLS, and no body goes to anybody else.
  if (redirect === 'https to http' || redirect.endsWith('with body')) return 'refused'
  if (redirect !== 'same origin') return 'dropped'
  // A 302 after a POST is a GET.
  return credential === 'form body' ? 'dropped' : 'kept'
}

function formOf(form: string | undefined): URLSearchParams | undefined {
  return form === undefined ? undefined : new URLSearchParams(form)
}
