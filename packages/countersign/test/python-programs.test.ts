/**
 * The Python programs of the documents, as they are printed, against our servers: SEEDS C1 to C6 and A5 from the other side.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createAuth } from '@countersign/auth'
import { type FetchEnvironment, type Server, serve } from '@countersign/server'
import { openStore, type Store } from '@countersign/store'
import {
  outsidePython,
  runProgram,
  scrubProcess,
  skipWithoutPython,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { Hono } from 'hono'
import { type PythonMachine, runPython } from './python-machine.ts'

scrubProcess()
const authority = testAuthority()
const folder = temporaryFolder(after)

describe('the programs with requests', {
  skip: skipWithoutPython({ modules: ['requests'] }),
}, () => {
  let site: Server
  let machine: PythonMachine
  const bundle = path.join(folder, 'bundle.pem')
  before(async () => {
    site = await startSite()
    machine = {
      python: outsidePython({ modules: ['requests'] }) ?? '',
      folder,
      addresses: { 'internalsite:443': site.port },
    }
    writeFileSync(path.join(folder, 'own-root.pem'), authority.rootPem)
    const made = ['trust', 'bundle', '--extra-ca', path.join(folder, 'own-root.pem')]
    assert.equal((await runProgram([...made, '--out', bundle])).code, 0)
  })
  after(async () => {
    await site.close()
  })

  it('C1 the first call fails, because nobody vouches for the site', async () => {
    const { code, stderr } = await runPython(machine, PLAIN)
    assert.equal(code, 1)
    assert.match(stderr, /requests\.exceptions\.SSLError: .*certificate verify failed/)
  })

  it('C2 verify=False goes through, and warns', async () => {
    const { code, stdout, stderr } = await runPython(machine, `${UNVERIFIED}\n${SHOW}`)
    assert.equal(code, 0, stderr)
    assert.equal(stdout, "200 {'path': '/api'}\n")
    assert.match(stderr, /InsecureRequestWarning/)
  })

  it('C3 the variable names our bundle, and no code is changed', async () => {
    const env = { REQUESTS_CA_BUNDLE: bundle }
    const { stdout, stderr } = await runPython({ ...machine, env }, `${PLAIN}\n${SHOW}`)
    assert.equal(stdout, "200 {'path': '/api'}\n", stderr)
    assert.doesNotMatch(stderr, /Warning/)
  })

  it('C3, C4 what `trust env` prints does the same', async () => {
    const { stdout: printed } = await runProgram(['trust', 'env', bundle, '--json'])
    const env: Record<string, string> = JSON.parse(printed)
    const { stdout, stderr } = await runPython({ ...machine, env }, `${PLAIN}\n${SHOW}`)
    assert.equal(stdout, "200 {'path': '/api'}\n", stderr)
  })

  it('C4 our root in the default bundle is enough for the first call', async (t) => {
    const program = `${PLAIN}\n${SHOW}`
    const where = await runPython(machine, 'import requests.certs; print(requests.certs.where())')
    if (where.stdout.trim() !== '/etc/ssl/certs/ca-certificates.crt') {
      t.skip('needs a requests that reads the system’s bundle')
      return
    }
    const { stdout, stderr } = await runPython({ ...machine, bundle }, program)
    assert.equal(stdout, "200 {'path': '/api'}\n", stderr)
  })

  it('C5 verify= names the bundle', async () => {
    const { stdout, stderr } = await runPython({ ...machine, bundle }, `${NAMED}\n${SHOW}`)
    assert.equal(stdout, "200 {'path': '/api'}\n", stderr)
  })
})

describe('the program with aiohttp', { skip: skipWithoutPython({ modules: ['aiohttp'] }) }, () => {
  it('C6 fetches its routes together, over a context from our bundle', async () => {
    const site = await startSite()
    try {
      const root = path.join(folder, 'root.pem')
      writeFileSync(root, authority.rootPem)
      const { stdout, stderr } = await runPython(
        {
          python: outsidePython({ modules: ['aiohttp'] }) ?? '',
          folder,
          addresses: { 'internalsite:443': site.port },
          bundle: root,
        },
        `${ASYNCHRONOUS}\nprint(sorted(foobar(), key=str))`,
      )
      assert.equal(stdout, "[{'path': '/api/1'}, {'path': '/api/2'}]\n", stderr)
    } finally {
      await site.close()
    }
  })
})

describe('the lesson on cookies', { skip: skipWithoutPython({ modules: ['requests'] }) }, () => {
  let store: Store
  let server: Server
  before(async () => {
    store = await openStore('sqlite::memory:')
    const auth = await createAuth({
      store,
      host: '127.0.0.1',
      loginErrors: 'lesson',
      lessonCookies: true,
    })
    await auth.users.add({ name: 'Alice', password: 'alice_pw' })
    await auth.users.add({ name: 'Bob', password: 'bob_pw' })
    const app = new Hono<{ Bindings: FetchEnvironment }>()
    app.route('/', auth.routes)
    const { chainPem, keyPem } = authority.issue({ names: ['localhost'] })
    server = await serve(app, { host: '127.0.0.1', cert: chainPem, key: keyPem })
    writeFileSync(path.join(folder, 'pubkey.pem'), authority.rootPem)
  })
  after(async () => {
    await server.close()
    await store.close()
  })

  it('A5 runs cell by cell: cookies by hand, another name denied, the session keeps the jar', async () => {
    const { stdout, stderr } = await runPython(
      {
        python: outsidePython({ modules: ['requests'] }) ?? '',
        folder,
        addresses: { 'localhost:5001': server.port },
      },
      CELLS,
    )
    assert.deepEqual(
      stdout
        .split('\n')
        .filter((line) => /^(?:www-authenticate|set-cookie|\d{3} |\{|<)/i.test(line))
        .map((line) => normal(line)),
      [
        'www-authenticate: Basic realm="Password incorrect"',
        '403 Verification failed',
        '<RequestsCookieJar[]>',
        'set-cookie: app1-username=Alice; Path=/, app1-token=…; Path=/, app1-login-timestamp=…; Path=/',
        '200 Logged in',
        '<RequestsCookieJar[<Cookie app1-login-timestamp=… for localhost.local/>, <Cookie app1-token=… for localhost.local/>, <Cookie app1-username=Alice for localhost.local/>]>',
        "{'Secret-number': 42}",
        '403 Bob denied access to resource',
        'set-cookie: app1-username=Bob; Path=/, app1-token=…; Path=/, app1-login-timestamp=…; Path=/',
        '200 Logged in',
        "{'Secret-number': 42}",
      ],
      stderr,
    )
    assert.equal(stderr, '')
  })
})

/**
 * A line without what differs from run to run, or from Werkzeug: tokens and times, the case of header names, the order of
 * the cookies in a jar.
 */
function normal(line: string): string {
  const text = line
    .replaceAll(/(token=)[\w-]{22}|(timestamp=)[\dT:.-]+/g, '$1$2…')
    .replace(/^[\w-]+(?=: )/, (name) => name.toLowerCase())
  const [, cookies] = /^<RequestsCookieJar\[(.+)\]>$/.exec(text) ?? []
  if (cookies === undefined) return text
  return `<RequestsCookieJar[${cookies.split(', ').toSorted().join(', ')}]>`
}

async function startSite(): Promise<Server> {
  const { chainPem, keyPem } = authority.issue({ names: ['internalsite'] })
  return serve((request: Request) => Response.json({ path: new URL(request.url).pathname }), {
    host: '127.0.0.1',
    cert: chainPem,
    key: keyPem,
  })
}

const SHOW = 'print(r.status_code, r.json())'

const PLAIN = `
import requests
r = requests.get("https://internalsite/api")
`

const UNVERIFIED = `
import requests
r = requests.get("https://internalsite/api", verify=False)
`

const NAMED = `
import requests
r = requests.get("https://internalsite/api", verify="/etc/ssl/certs/ca-certificates.crt")
`

const ASYNCHRONOUS = `
import asyncio
import aiohttp
import ssl

def foobar():
    # The URLs and headers (blank in this demo) that will be requested async
    routes = [("https://internalsite/api/1", ""), ("https://internalsite/api/2", "")]

    # Create out SSL context object with our CA cert file
    sslcontext = ssl.create_default_context(cafile="/etc/ssl/certs/ca-certificates.crt")

    # Pass this SSL context to aiohttp and create a TCPConnector
    conn = aiohttp.TCPConnector(ssl_context=sslcontext)

    # Using this TCPConnector, open a session
    with aiohttp.ClientSession(connector=conn) as client:
        # This is the asyncio part
        # Create a list of futures
        futures = [
            fetch_json(client, url=url, headers=headers)
            for (url, headers) in routes
        ]

        # Then wait for the futures to all complete
        content = asyncio.get_event_loop().run_until_complete(asyncio.wait(futures))

        # Extract the resulting data
        data = [item.result() for item in content[0]]
    return data

async def fetch_json(client, url, headers):
    async with client.get(url, headers=headers) as resp:
        return await resp.json()
`

const CELLS = `
import requests
requests.packages.urllib3.disable_warnings()
cookies = dict()

resp = requests.post("https://localhost:5001/login", verify='pubkey.pem',
                     data=dict(username="Alice", password="wrong_pw"))

for k, v in resp.headers.items():
    print(f"{k}: {v}")
print()
print(resp.status_code, resp.text)
print(resp.cookies)

resp = requests.post("https://localhost:5001/login", verify='pubkey.pem',
                     data=dict(username="Alice", password="alice_pw"))

for k, v in resp.headers.items():
    print(f"{k}: {v}")
print()
print(resp.status_code, resp.text)
print(resp.cookies)

cookies.update(resp.cookies)
cookies

import json
resp = requests.get('https://localhost:5001/get-info', 
                    verify='pubkey.pem', cookies=cookies)
print(json.loads(resp.text))

cookies['app1-username'] = "Bob"
import json
resp = requests.get('https://localhost:5001/get-info', 
                    verify='pubkey.pem', cookies=cookies)
print(resp.status_code, resp.text)

session = requests.Session()
resp = session.post("https://localhost:5001/login", verify='pubkey.pem',
                     data=dict(username="Bob", password="bob_pw"))

for k, v in resp.headers.items():
    print(f"{k}: {v}")
print()
print(resp.status_code, resp.text)

resp = session.get('https://localhost:5001/get-info', verify='pubkey.pem')
print(json.loads(resp.text))
`
