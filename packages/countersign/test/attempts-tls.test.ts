/**
 * Attempts to be recognised over real connections, where what is on the wire decides: certificates of every kind, full and resumed
 * handshakes, headers twice. The states of each credential are in `packages/auth/test/attempts.test.ts` and its sisters.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { createAuth } from '@countersign/auth'
import { type FetchEnvironment, serve, type Server } from '@countersign/server'
import { openStore } from '@countersign/store'
import { scrubProcess, type TestIdentity, testAuthority } from '@countersign/testkit'
import { Hono } from 'hono'
import { PASSWORD } from './running-service.ts'

scrubProcess()

const authority = testAuthority()
const foreign = testAuthority()
const ca = authority.rootPem
const PAST = new Date(Date.now() - 10_000)
const clientOf = (...names: string[]): TestIdentity => authority.issue({ names, client: true })

const CLIENTS = {
  'with a row': clientOf('ada'),
  "of somebody else's": clientOf('eve'),
  'with a name that a rule knows': clientOf('spiffe://test.internal/svc'),
  'with a common name alone': clientOf('ada'),
  'with two names that a rule knows': clientOf(
    'spiffe://test.internal/svc',
    'spiffe://test.internal/ada',
  ),
  'that has ended': authority.issue({
    names: ['spiffe://test.internal/svc'],
    client: true,
    notAfter: PAST,
  }),
  'on the revocation list': clientOf('spiffe://test.internal/svc'),
  'of a foreign authority': foreign.issue({ names: ['spiffe://test.internal/svc'], client: true }),
  'for servers': authority.issue({ names: ['svc.internal'] }),
  'whose row was revoked': clientOf('spiffe://test.internal/ada'),
  'of a disabled user': clientOf('gone'),
}
const keys = ({ chainPem, keyPem }: TestIdentity): { cert: string; key: string } => ({
  cert: chainPem,
  key: keyPem,
})

/** What is known once the service runs. */
interface Known {
  server: Server
  /** The cookie of ada's session, bound to her certificate. */
  bound: string
  /** The cookie of a session that is bound to nothing. */
  free: string
  /** An API token of eve, bound to ada's certificate; one that is bound to nothing. */
  boundToken: string
  token: string
}

interface Row {
  /** Which certificate is presented. */
  as?: keyof typeof CLIENTS
  /** The lines of the request besides `Host`. */
  lines?: (known: Known) => string[]
  method?: string
  /** Status and code, and the name of whoever was recognised. */
  expected: string
}

const REQUIRED = '401 credentials-required'
const INVALID = '401 credentials-invalid'
const TWO = '400 two-credentials'
const certificateHeader = (identity: TestIdentity): string =>
  `client-cert: :${Buffer.from(identity.certificate.der).toString('base64')}:`
const spoofed = (): string[] => [
  certificateHeader(CLIENTS['with a row']),
  'x-ssl-client-verify: SUCCESS',
  'x-ssl-client-dn: CN=ada',
]
const cookie = (value: string): string => `cookie: ${value}`
const bearer = (value: string): string => `authorization: Bearer ${value}`

const ROWS: Record<string, Row> = {
  nothing: { expected: REQUIRED },
  'no cookie but others': { lines: () => [cookie('a=1; b=2')], expected: REQUIRED },
  'a certificate with a row': { as: 'with a row', expected: '200 ada' },
  "a certificate of somebody else's": { as: "of somebody else's", expected: '200 eve' },
  'a certificate with a name that a rule knows': {
    as: 'with a name that a rule knows',
    expected: '200 svc',
  },
  'a certificate with a common name alone': {
    as: 'with a common name alone',
    expected: REQUIRED,
  },
  'a certificate with two names that a rule knows': {
    as: 'with two names that a rule knows',
    expected: REQUIRED,
  },
  'a certificate that has ended': { as: 'that has ended', expected: '403 expired' },
  'a certificate on the revocation list': { as: 'on the revocation list', expected: '403 revoked' },
  'a certificate of a foreign authority': {
    as: 'of a foreign authority',
    expected: '403 untrusted-root',
  },
  'a certificate for servers': { as: 'for servers', expected: '403 wrong-purpose' },
  'a certificate whose row was revoked': { as: 'whose row was revoked', expected: INVALID },
  'a certificate of a disabled user': { as: 'of a disabled user', expected: INVALID },
  'a spoofed header and no certificate': { lines: spoofed, expected: REQUIRED },
  'a spoofed header beside a certificate': {
    as: "of somebody else's",
    lines: spoofed,
    expected: '200 eve',
  },
  'a certificate, sent by a page of another site': {
    as: 'with a row',
    method: 'POST',
    lines: () => ['sec-fetch-site: cross-site', 'content-length: 0'],
    expected: '403 cross-site-request',
  },
  'a certificate and Basic': {
    as: 'with a row',
    lines: () => ['authorization: Basic YWRhOng='],
    expected: INVALID,
  },
  'a certificate and a token that is none': {
    as: 'with a row',
    lines: () => [bearer('none')],
    expected: INVALID,
  },
  'a certificate and a session that is none': {
    as: 'with a row',
    lines: () => [cookie(`__Host-countersign-sid=${'A'.repeat(43)}`)],
    expected: INVALID,
  },
  "a certificate and somebody else's token": {
    as: 'with a row',
    lines: ({ token }) => [bearer(token)],
    expected: '200 eve',
  },
  'a session': { lines: ({ free }) => [cookie(free)], expected: '200 eve' },
  'a session beside a certificate': {
    as: 'with a row',
    lines: ({ free }) => [cookie(free)],
    expected: '200 eve',
  },
  'a session bound to a certificate, with it': {
    as: 'with a row',
    lines: ({ bound }) => [cookie(bound)],
    expected: '200 ada',
  },
  'a session bound to a certificate, with another': {
    as: "of somebody else's",
    lines: ({ bound }) => [cookie(bound)],
    expected: INVALID,
  },
  'a session bound to a certificate, without one': {
    lines: ({ bound }) => [cookie(bound)],
    expected: INVALID,
  },
  'a session bound to a certificate, with it in a header': {
    lines: ({ bound }) => [cookie(bound), ...spoofed()],
    expected: INVALID,
  },
  'a token': { lines: ({ token }) => [bearer(token)], expected: '200 eve' },
  'a token bound to a certificate, with it': {
    as: 'with a row',
    lines: ({ boundToken }) => [bearer(boundToken)],
    expected: '200 eve',
  },
  'a token bound to a certificate, with another': {
    as: "of somebody else's",
    lines: ({ boundToken }) => [bearer(boundToken)],
    expected: INVALID,
  },
  'a token bound to a certificate, without one': {
    lines: ({ boundToken }) => [bearer(boundToken)],
    expected: INVALID,
  },
  'a cookie twice in one line': {
    lines: ({ free }) => [cookie(`${free}; ${free}`)],
    expected: INVALID,
  },
  'a cookie twice, in two lines': {
    lines: ({ free }) => [cookie(free), cookie(free)],
    expected: INVALID,
  },
  'a cookie and another, in two lines': {
    lines: ({ free, bound }) => [cookie(free), cookie(bound)],
    expected: INVALID,
  },
  'a cookie among others, in two lines': {
    lines: ({ free }) => [cookie('a=1'), cookie(free)],
    expected: '200 eve',
  },
  'two methods: a cookie and a token': {
    lines: ({ free, token }) => [cookie(free), bearer(token)],
    expected: TWO,
  },
  'two methods: a cookie and Basic': {
    lines: ({ free }) => [cookie(free), 'authorization: Basic YWRhOng='],
    expected: TWO,
  },
  'two tokens, in two lines': {
    lines: ({ token }) => [bearer(token), bearer(token)],
    expected: TWO,
  },
  'two tokens, in two lines, the first of them none': {
    lines: ({ token }) => [bearer('none'), bearer(token)],
    expected: TWO,
  },
}

describe('an attempt to be recognised over a real connection', () => {
  const stack = new AsyncDisposableStack()
  let known: Known | undefined
  before(async () => {
    known = await startSite(stack)
  })
  after(async () => stack.disposeAsync())

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const only = { minVersion: version, maxVersion: version }
    const ask = async (row: Row, options: ConnectionOptions = {}): Promise<Visit> => {
      assert.ok(known !== undefined)
      const identity = row.as === undefined ? {} : keys(CLIENTS[row.as])
      return await visit(known.server, { ...only, ...identity, ...options }, row, known)
    }

    for (const [name, row] of Object.entries(ROWS)) {
      it(`${name}, ${version}, full and resumed`, async () => {
        const first = await ask(row)
        assertVisit(first, row.expected)
        const again = await ask(row, { session: first.session })
        assertVisit(again, row.expected)
      })
    }

    it(`resumption without a certificate, ${version}: of a connection that had none`, async () => {
      const { session } = await ask({ expected: REQUIRED })
      // nodejs/node #35317: Node calls this one authorized.
      for (const name of ['nothing', 'a session bound to a certificate, without one']) {
        const row = ROWS[name] ?? assert.fail()
        const resumed = await ask(row, { session })
        assert.equal(resumed.reused, true)
        assertVisit(resumed, row.expected)
      }
    })

    it(`resumption with another certificate, ${version}: whoever is recognised proved it`, async () => {
      const { session } = await ask({ as: 'with a row', expected: '' })
      const other = await ask({ as: "of somebody else's", expected: '' }, { session })
      assertVisit(other, other.reused ? '200 ada' : '200 eve')
    })
  }
})

interface Visit {
  status: number
  reused: boolean
  session: Buffer | undefined
  challenge: string | undefined
  cookie: string
  type: string | undefined
  body: string
}

function assertVisit({ status, body, challenge, type }: Visit, expected: string): void {
  if (status === 200) {
    assert.equal(`200 ${body}`, expected)
    return
  }
  const { code, ...problem } = JSON.parse(body)
  assert.equal(`${status} ${code}`, expected, body)
  assert.equal(type, 'application/problem+json')
  assert.equal(problem.type, `urn:countersign:problem:${code}`)
  assert.equal(challenge, CHALLENGES[expected])
}

const CHALLENGES: Readonly<Record<string, string>> = {
  [REQUIRED]: 'Bearer realm="countersign"',
  [INVALID]:
    'Bearer realm="countersign", error="invalid_token", error_description="the session or token is not valid, or no longer"',
  [TWO]:
    'Bearer realm="countersign", error="invalid_request", error_description="a request may carry one credential: a cookie or an Authorization header"',
}

/** One request on a connection of its own, its lines as they are given. */
async function visit(
  { port }: Server,
  options: ConnectionOptions,
  { method = 'GET', lines }: Row,
  known: Known,
): Promise<Visit> {
  const sent = lines?.(known) ?? []
  return await exchange(port, options, [`${method} / HTTP/1.1`, ...sent])
}

async function exchange(
  port: number,
  options: ConnectionOptions,
  [start = '', ...lines]: string[],
  body = '',
): Promise<Visit> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...options })
  let session: Buffer | undefined
  socket.on('session', (fresh: Buffer) => {
    session = fresh
  })
  await once(socket, 'secureConnect')
  const reused = socket.isSessionReused()
  const head = [start, 'host: localhost', 'connection: close', ...lines].join('\r\n')
  socket.write(`${head}\r\n\r\n${body}`)
  let text = ''
  for await (const chunk of socket) text += String(chunk)
  const header = (name: string): string | undefined =>
    new RegExp(`^${name}: (.*)\r$`, 'im').exec(text)?.[1]
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
    reused,
    session,
    challenge: header('www-authenticate'),
    cookie: /^set-cookie: ([^;]*-sid=[^;]*)/im.exec(text)?.[1] ?? '',
    type: header('content-type'),
    body: text.slice(text.indexOf('\r\n\r\n') + 4),
  }
}

async function startSite(stack: AsyncDisposableStack): Promise<Known> {
  const store = stack.use(await openStore('sqlite::memory:'))
  const auth = stack.use(
    await createAuth({
      store,
      session: { bindCertificate: true },
      certificateRules: [{ from: 'spiffe', domain: 'test.internal' }],
    }),
  )
  for (const name of ['ada', 'eve', 'gone']) await auth.users.add({ name, password: PASSWORD })
  await auth.users.add({ name: 'svc', kind: 'service' })
  await auth.certificates.add('ada', CLIENTS['with a row'].certPem)
  await auth.certificates.add('eve', CLIENTS["of somebody else's"].certPem)
  await auth.certificates.add('gone', CLIENTS['of a disabled user'].certPem)
  await auth.users.disable('gone')
  const { id } = await auth.certificates.add('ada', CLIENTS['whose row was revoked'].certPem)
  await auth.certificates.revoke(id)
  const app = new Hono<{ Bindings: FetchEnvironment }>()
  app.route('/', auth.routes)
  app.all('/', auth.guard(), (c) => c.text(c.get('auth').principal.name))
  const server = stack.use(
    await serve(app, {
      ...keys(authority.issue({ names: ['localhost'] })),
      ca,
      verifyUser: 'ask',
      crl: authority.crlPem({ revoked: [CLIENTS['on the revocation list'].certificate] }),
    }),
  )
  const signIn = async (username: string, options: ConnectionOptions = {}): Promise<string> => {
    const json = JSON.stringify({ username, password: PASSWORD })
    const lines = [
      'POST /login HTTP/1.1',
      'content-type: application/json',
      `content-length: ${json.length}`,
    ]
    const { cookie: value } = await exchange(server.port, options, lines, json)
    return value
  }
  const x5tS256 = Buffer.from(CLIENTS['with a row'].certificate.fingerprint, 'hex').toString(
    'base64url',
  )
  return {
    server,
    bound: await signIn('ada', keys(CLIENTS['with a row'])),
    free: await signIn('eve'),
    token: (await auth.tokens.create('eve', { label: 'free' })).token,
    boundToken: (await auth.tokens.create('eve', { label: 'bound', x5tS256 })).token,
  }
}
