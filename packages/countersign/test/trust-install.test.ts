/** Roots into stores and out again: SEEDS C4. Every store is one of the test's own. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Server, serve } from '@countersign/server'
import {
  type CommandResult,
  outsideTool,
  runCommand,
  runProgram,
  scrubProcess,
  skipWithout,
  temporaryFolder,
  testAuthority,
} from '@countersign/testkit'
import { makeDebianRoot, makeJavaHome, makeNssDatabase, nssList } from './trust-machine.ts'

scrubProcess()
const folder = temporaryFolder(after)
const ours = testAuthority()
const foreign = testAuthority()
const root = path.join(folder, 'root.pem')
writeFileSync(root, ours.rootPem)

interface Home {
  home: string
  java: string
  trust: (...args: string[]) => Promise<CommandResult>
}

/** A home folder of its own for every test; no Java but the one that is named. */
function makeHome(name: string): Home {
  const home = path.join(folder, name)
  const java = path.join(home, 'java')
  mkdirSync(java, { recursive: true })
  const env = {
    HOME: home,
    JAVA_HOME: java,
    JAVA_TOOL_OPTIONS: SHORT_LIVED,
    COUNTERSIGN_CONFIG: path.join(home, 'config'),
    XDG_DATA_HOME: undefined,
    XDG_CONFIG_HOME: undefined,
  }
  return { home, java, trust: async (...args) => runProgram(['trust', ...args], { env }) }
}

interface Report {
  store: string
  status: string
  place: string
  message?: string
  connection?: { ok: boolean; by: string }
}

function reports({ stdout }: CommandResult): Report[] {
  return JSON.parse(stdout)
}

const HOMES = ['--store', 'nss,firefox,java']

/** A Java that ends after a second takes a third less of it so. */
const SHORT_LIVED = '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'

describe('a system below another root', {
  skip: skipWithout('update-ca-certificates', 'openssl'),
}, () => {
  it('gets the root into its bundle, and is afterwards what it was before', async () => {
    const { home, trust } = makeHome('debian')
    const system = makeDebianRoot(path.join(home, 'system'))
    const other = path.join(system, 'usr/local/share/ca-certificates/other.crt')
    writeFileSync(other, foreign.rootPem)
    await trust('install', path.join(folder, 'root.pem'), '--root', system)
    await trust('uninstall', '--root', system)
    const untouched = snapshot(system)
    const installed = await trust('install', root, '--root', system, '--json')
    assert.equal(installed.code, 0, installed.stdout)
    assert.partialDeepStrictEqual(reports(installed), [{ store: 'system', status: 'installed' }])
    const bundle = readFileSync(path.join(system, 'etc/ssl/certs/ca-certificates.crt'), 'utf8')
    assert.ok(bundle.includes(ours.rootPem.trim()))
    assert.ok(bundle.includes(foreign.rootPem.trim()))
    const checked = await trust('check', root, '--root', system, '--json')
    assert.partialDeepStrictEqual(reports(checked), [{ status: 'present' }])
    const again = await trust('install', root, '--root', system, '--json')
    assert.partialDeepStrictEqual(reports(again), [{ status: 'already-there' }])
    const removed = await trust('uninstall', '--root', system, '--json')
    assert.partialDeepStrictEqual(reports(removed), [{ status: 'removed' }])
    assert.deepEqual(snapshot(system), untouched)
    assert.equal((await trust('check', root, '--root', system)).code, 1)
  })

  it('keeps what somebody else put there, and what was changed since', async () => {
    const { home, trust } = makeHome('debian-changed')
    const system = makeDebianRoot(path.join(home, 'system'))
    await trust('install', root, '--root', system)
    const additions = path.join(system, 'usr/local/share/ca-certificates')
    const [name = ''] = readdirSync(additions)
    writeFileSync(path.join(additions, name), foreign.rootPem)
    const removed = await trust('uninstall', '--root', system, '--json')
    assert.partialDeepStrictEqual(reports(removed), [{ status: 'gone' }])
    assert.equal(readFileSync(path.join(additions, name), 'utf8'), foreign.rootPem)
  })
})

describe('other systems', () => {
  for (const [system, additions, name] of [
    ['Fedora', 'etc/pki/ca-trust/source/anchors', '.pem'],
    ['Arch', 'etc/ca-certificates/trust-source/anchors', '.pem'],
    ['openSUSE', 'etc/pki/trust/anchors', '.pem'],
  ] as const) {
    it(`${system}: the root goes where additions go, and away again`, async () => {
      const { home, trust } = makeHome(system)
      const place = path.join(home, 'system', additions)
      mkdirSync(place, { recursive: true })
      const at = ['--root', path.join(home, 'system')]
      assert.equal((await trust('install', root, ...at)).code, 0)
      const [file = ''] = readdirSync(place)
      assert.ok(file.startsWith('countersign-') && file.endsWith(name), file)
      assert.equal(statSync(path.join(place, file)).mode & 0o777, 0o644)
      assert.equal((await trust('uninstall', ...at)).code, 0)
      assert.deepEqual(readdirSync(place), [])
    })
  }

  it('one that nobody knows has no store, and that is said', async () => {
    const { home, trust } = makeHome('unknown')
    const { code, stdout } = await trust('install', root, '--root', home)
    assert.equal(code, 0)
    assert.match(stdout, /there is no store here/)
  })
})

describe('NSS databases', { skip: skipWithout('certutil') }, () => {
  it('get the root where Chromium looks: the old place once it is there, else the new one', async () => {
    const { home, trust } = makeHome('nss')
    const now = await makeNssDatabase(path.join(home, '.local/share/pki/nssdb'))
    const first = reports(await trust('install', root, ...HOMES, '--json'))
    assert.partialDeepStrictEqual(first, [{ store: 'nss', place: now, status: 'installed' }])
    assert.match(await nssList(now), /^countersign .* C,,\s*$/m)
    // As soon as the old one is there, even empty, Chromium passes over the new one.
    const old = await makeNssDatabase(path.join(home, '.pki/nssdb'))
    const checked = await trust('check', root, ...HOMES, '--json')
    assert.partialDeepStrictEqual(reports(checked), [{ place: old, status: 'absent' }])
    const second = reports(await trust('install', root, ...HOMES, '--json'))
    assert.partialDeepStrictEqual(second, [{ place: old, status: 'installed' }])
  })

  it('of every Firefox profile get it too, wherever profiles.ini is', async () => {
    const { home, trust } = makeHome('firefox')
    const old = path.join(home, '.mozilla/firefox')
    const now = path.join(home, '.config/mozilla/firefox')
    const elsewhere = path.join(home, 'elsewhere')
    for (const one of [`${old}/abc.default`, `${now}/def.default-release`, elsewhere]) {
      await makeNssDatabase(one)
    }
    mkdirSync(path.join(old, 'never-started'), { recursive: true })
    writeFileSync(
      path.join(old, 'profiles.ini'),
      `[Install4F96D1932A9F858E]\nDefault=abc.default\n\n[Profile1]\nName=new\nIsRelative=1\nPath=never-started\n\n[Profile0]\nName=default\nIsRelative=1\nPath=abc.default\n[Profile2]\nIsRelative=0\nPath=${elsewhere}\n`,
    )
    const ini = '[Profile0]\r\nName=x\r\nIsRelative=1\r\nPath=def.default-release\r\n'
    writeFileSync(path.join(now, 'profiles.ini'), ini)
    const installed = reports(await trust('install', root, ...HOMES, '--json'))
    assert.deepEqual(
      installed.map(({ store, place, status }) => [store, place, status]),
      [
        ['firefox', path.join(now, 'def.default-release'), 'installed'],
        ['firefox', path.join(old, 'abc.default'), 'installed'],
        ['firefox', elsewhere, 'installed'],
      ],
    )
    const removed = reports(await trust('uninstall', ...HOMES, '--json'))
    assert.deepEqual(new Set(removed.map(({ status }) => status)), new Set(['removed']))
    assert.doesNotMatch(await nssList(elsewhere), /countersign/)
  })

  it('keep a root that was there before us, under whatever name', async () => {
    const { home, trust } = makeHome('nss-named')
    const database = await makeNssDatabase(path.join(home, '.pki/nssdb'))
    const add = ['-A', '-t', 'C,,', '-n', 'by hand', '-i', root, '-d', `sql:${database}`]
    assert.equal((await runCommand(outsideTool('certutil') ?? '', add)).code, 0)
    const installed = await trust('install', root, ...HOMES, '--json')
    assert.partialDeepStrictEqual(reports(installed), [{ status: 'already-there' }])
    assert.match((await trust('uninstall', ...HOMES)).stdout, /put nothing in/)
    assert.match(await nssList(database), /^by hand .*C,,/m)
  })

  it('that somebody cleaned are left as they are', async () => {
    const { home, trust } = makeHome('nss-before')
    const database = await makeNssDatabase(path.join(home, '.pki/nssdb'))
    await trust('install', root, ...HOMES)
    const empty = await trust('uninstall', ...HOMES, '--json')
    assert.partialDeepStrictEqual(reports(empty), [{ status: 'removed' }])
    assert.ok(!existsSync(path.join(home, 'config/trust-receipt.json')))
    // Put in again, and removed by hand: there is nothing to undo.
    await trust('install', root, ...HOMES)
    const [, name = ''] = /^(countersign .*?)\s+C,,/m.exec(await nssList(database)) ?? []
    await runCommand(outsideTool('certutil') ?? '', ['-D', '-n', name, '-d', `sql:${database}`])
    const gone = await trust('uninstall', ...HOMES, '--json')
    assert.partialDeepStrictEqual(reports(gone), [{ status: 'gone' }])
    assert.match((await trust('uninstall', ...HOMES)).stdout, /put nothing in/)
  })
})

describe("Java's store", { skip: skipWithout('keytool') }, () => {
  it('gets the root beside what it holds, and is rid of it again', async () => {
    const { java, trust } = makeHome('java')
    makeJavaHome(java, foreign)
    const cacerts = path.join(java, 'lib/security/cacerts')
    const installed = await trust('install', root, ...HOMES, '--json')
    assert.partialDeepStrictEqual(reports(installed), [
      { store: 'java', place: cacerts, status: 'installed' },
    ])
    assert.equal(await aliases(cacerts), 2)
    const removed = await trust('uninstall', ...HOMES, '--json')
    assert.partialDeepStrictEqual(reports(removed), [{ status: 'removed' }])
    assert.equal(await aliases(cacerts), 1)
  })

  it('that cannot be written is reported, and the others get theirs', {
    skip: skipWithout('certutil'),
  }, async () => {
    const { home, java, trust } = makeHome('java-broken')
    makeJavaHome(java, foreign)
    writeFileSync(path.join(java, 'lib/security/cacerts'), 'garbage')
    await makeNssDatabase(path.join(home, '.pki/nssdb'))
    const { code, stdout } = await trust('install', root, ...HOMES, '--json')
    assert.equal(code, 1)
    const [nss, broken] = JSON.parse(stdout)
    assert.equal(nss.status, 'installed')
    assert.partialDeepStrictEqual(broken, { store: 'java', status: 'failed' })
    assert.match(broken.message, /keytool would not add/)
    const removed = reports(await trust('uninstall', ...HOMES, '--json'))
    assert.deepEqual(
      removed.map(({ store, status }) => [store, status]),
      [['nss', 'removed']],
      'what was not put in is not in the receipt',
    )
  })
})

describe('check --url', () => {
  let good: Server
  let bad: Server
  before(async () => {
    const start = async (authority: typeof ours): Promise<Server> => {
      const { chainPem, keyPem } = authority.issue({ names: ['localhost'] })
      return serve(() => new Response('ok'), { host: '127.0.0.1', cert: chainPem, key: keyPem })
    }
    good = await start(ours)
    bad = await start(testAuthority())
  })
  after(async () => {
    await good.close()
    await bad.close()
  })

  const through = async (name: string, store: string, by: string): Promise<void> => {
    const { home, java, trust } = makeHome(name)
    const at = store === 'system' ? ['--root', makeDebianRoot(path.join(home, 'system'))] : []
    if (store === 'nss') await makeNssDatabase(path.join(home, '.pki/nssdb'))
    if (store === 'java') makeJavaHome(java, foreign)
    const args = [root, '--store', store, ...at, '--json']
    assert.equal((await trust('install', ...args)).code, 0)
    const checked = await trust('check', ...args, '--url', `https://localhost:${good.port}/`)
    assert.equal(checked.code, 0, checked.stdout)
    assert.partialDeepStrictEqual(reports(checked), [
      { status: 'present', connection: { ok: true, by } },
    ])
    const refused = await trust('check', ...args, '--url', `https://localhost:${bad.port}/`)
    assert.equal(refused.code, 1)
    assert.partialDeepStrictEqual(reports(refused), [
      { status: 'failed', connection: { ok: false, by } },
    ])
  }

  it(
    'connects with the system’s bundle',
    { skip: skipWithout('update-ca-certificates', 'openssl') },
    async () => through('url-system', 'system', 'the system’s bundle'),
  )

  it('connects with NSS', { skip: skipWithout('certutil', 'tstclnt') }, async () =>
    through('url-nss', 'nss', 'tstclnt'),
  )

  it('connects with Java', { skip: skipWithout('java', 'javac', 'keytool') }, async () =>
    through('url-java', 'java', 'java'),
  )
})

describe('what is no root', () => {
  it('does not go in: a leaf, an expired one, garbage, nothing', async () => {
    const { home, trust } = makeHome('refused')
    const leaf = path.join(home, 'leaf.pem')
    writeFileSync(leaf, ours.issue({ names: ['localhost'] }).chainPem)
    const garbage = path.join(home, 'garbage.pem')
    writeFileSync(garbage, 'garbage')
    for (const [file, words] of [
      [leaf, /is not a certificate authority/],
      [garbage, /garbage\.pem/],
      [path.join(home, 'none.pem'), /is not there/],
    ] as const) {
      const { code, stderr } = await trust('install', file, ...HOMES)
      assert.equal(code, 1)
      assert.match(stderr, words)
    }
    const { code, stderr } = await trust('install', '--data', path.join(home, 'data'))
    assert.equal(code, 1)
    assert.match(stderr, /there is no authority/)
    assert.equal((await trust('install', root, '--store', 'sytem')).code, 2)
  })

  it('a receipt that is none stops everything', async () => {
    const { home, trust } = makeHome('receipt')
    mkdirSync(path.join(home, 'config'))
    for (const text of ['garbage', '{}', '{"version":1,"entries":[{}]}']) {
      writeFileSync(path.join(home, 'config/trust-receipt.json'), text)
      const { code, stderr } = await trust('uninstall', ...HOMES)
      assert.equal(code, 1)
      assert.match(stderr, /is not a receipt/)
    }
  })
})

describe('trust bundle --java', { skip: skipWithout('keytool') }, () => {
  it('writes a store that Java reads, and that connects', {
    skip: skipWithout('java', 'javac'),
  }, async () => {
    const { home } = makeHome('jks')
    const store = path.join(home, 'roots with a blank.jks')
    const bundle = path.join(home, 'bundle.pem')
    const args = ['trust', 'bundle', '--ca', root, '--out', bundle, '--java', store]
    assert.equal((await runProgram(args)).code, 0)
    assert.equal(await aliases(store), 1)
    const printed = await runProgram(['trust', 'env', bundle, '--java', store, '--json'])
    const { JAVA_TOOL_OPTIONS = '' } = JSON.parse(printed.stdout)
    const { chainPem, keyPem } = ours.issue({ names: ['localhost'] })
    await using server = await serve(() => new Response('ok'), { cert: chainPem, key: keyPem })
    const source = path.join(home, 'Get.java')
    writeFileSync(
      source,
      'class Get { public static void main(String[] a) throws Exception { System.out.println(new String(new java.net.URL(a[0]).openStream().readAllBytes())); } }',
    )
    const java = outsideTool('java') ?? ''
    const run = async (env: Record<string, string>): Promise<CommandResult> =>
      runCommand(java, [...SHORT_LIVED.split(' '), source, `https://localhost:${server.port}/`], {
        env,
      })
    const trusted = await run({ JAVA_TOOL_OPTIONS })
    assert.equal(trusted.stdout, 'ok\n', trusted.stderr)
    assert.notEqual((await run({})).code, 0)
  })
})

describe('trust env', () => {
  it('speaks sh, fish and PowerShell, whatever is in the path', async () => {
    const { home } = makeHome('env')
    const bundle = path.join(home, `it's a "bundle".pem`)
    writeFileSync(bundle, ours.rootPem)
    const print = async (shell: string): Promise<string> =>
      (await runProgram(['trust', 'env', bundle, '--shell', shell])).stdout
    assert.match(await print('fish'), /^set -gx SSL_CERT_FILE '.*it\\'s a "bundle"\.pem'$/m)
    assert.match(await print('powershell'), /^\$env:SSL_CERT_FILE = '.*it''s a "bundle"\.pem'$/m)
    const sh = await print('sh')
    const echo = await runCommand('sh', ['-c', `${sh}\nprintf %s "$GIT_SSL_CAINFO"`])
    assert.equal(echo.stdout, bundle)
    assert.equal((await runProgram(['trust', 'env', bundle, '--shell', 'csh'])).code, 2)
  })

  it('names a dozen variables and more, the same in JSON', async () => {
    const { stdout } = await runProgram(['trust', 'env', root, '--json'])
    const values: Record<string, string> = JSON.parse(stdout)
    assert.ok(Object.keys(values).length >= 12)
    assert.deepEqual(new Set(Object.values(values)), new Set([root]))
  })

  it('git, node and python trust the bundle by it', { skip: skipWithout('git') }, async () => {
    const { chainPem, keyPem } = ours.issue({ names: ['localhost'] })
    await using server = await serve(() => new Response('not here', { status: 404 }), {
      cert: chainPem,
      key: keyPem,
    })
    const env: Record<string, string> = JSON.parse(
      (await runProgram(['trust', 'env', root, '--json'])).stdout,
    )
    const url = `https://localhost:${server.port}/`
    const git = async (given: Record<string, string>): Promise<string> =>
      (await runCommand(outsideTool('git') ?? '', ['ls-remote', `${url}x.git`], { env: given }))
        .stderr
    assert.match(await git({}), /certificate/)
    assert.match(await git(env), /not found/)
    const script = `fetch('${url}').then((r) => console.log(r.status))`
    const node = await runCommand(process.execPath, ['-e', script], { env })
    assert.equal(node.stdout, '404\n', node.stderr)
  })
})

/** How many certificates a Java store has. */
async function aliases(file: string): Promise<number> {
  const args = ['-list', '-keystore', file, '-storepass', 'changeit']
  const { stdout } = await runCommand(outsideTool('keytool') ?? '', args, { env: { LC_ALL: 'C' } })
  return stdout.match(/trustedCertEntry/g)?.length ?? 0
}

/** Every file below a folder with its content. */
function snapshot(place: string): Record<string, string> {
  const files = readdirSync(place, { recursive: true, withFileTypes: true })
  return Object.fromEntries(
    files
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name))
      .toSorted()
      .map((file) => [path.relative(place, file), readFileSync(file, 'utf8')]),
  )
}
