import assert from 'node:assert/strict'
import { once } from 'node:events'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { CoreError } from '@countersign/core'
import { requireTool, runCommand, temporaryFolder, testAuthority } from '@countersign/testkit'
import {
  listen,
  LiveValue,
  TlsError,
  TrustStore,
  watchContext,
  watchTrust,
  type WatchTrustOptions,
} from '@countersign/tls'
import { SystemRoots } from '../src/trust-roots.ts'
import { authority, clientContext, connectTo, failureOf, localhost } from './support.ts'

const other = testAuthority()

/** Written so long ago that a second write could not look the same. */
const LONG_AGO = new Date(Date.now() - 60_000)

/** In the place of the file. */
function linkTo(target: string, file: string): void {
  rmSync(file)
  symlinkSync(target, file)
}

function write(file: string, data: string | Uint8Array, date: Date = LONG_AGO): string {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, data)
  utimesSync(file, date, date)
  return file
}

/** As every careful program writes: whole, beside its place, then renamed. */
function replace(file: string, data: string): void {
  writeFileSync(`${file}.new`, data)
  renameSync(`${file}.new`, file)
}

/** A store without a timer: it looks when a test says so. Keeps what it was told. */
function watched(options: WatchTrustOptions): {
  trust: LiveValue<TrustStore>
  changes: [TrustStore, TrustStore][]
  errors: TlsError[]
} {
  const changes: [TrustStore, TrustStore][] = []
  const errors: TlsError[] = []
  const trust = watchTrust({
    env: false,
    intervalMs: 0,
    settleMs: 1,
    onChange: (current, before) => changes.push([current, before]),
    onError: (error) => errors.push(error),
    ...options,
  })
  return { trust, changes, errors }
}

/** How many timers keep this process. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length
}

function causeCode(error: TlsError | undefined): unknown {
  return error?.cause instanceof TlsError ? error.cause.code : undefined
}

describe('watchTrust', () => {
  it('takes over a file that was replaced, and says what was before', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
    const { trust, changes, errors } = watched({ ca: file })
    const before = trust.current
    replace(file, other.rootPem)
    assert.equal(trust.current, before, 'nobody looked yet')
    await trust.check()
    assert.ok(trust.current.has(other.root.fingerprint))
    assert.ok(!trust.current.has(authority.root.fingerprint))
    assert.deepEqual(changes, [[trust.current, before]])
    assert.deepEqual(errors, [])
    assert.equal(trust.lastError, undefined)
  })

  it('sees another content of the same size and time in the same place', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'root.der'), authority.root.der)
    const { trust, errors } = watched({ ca: file })
    const garbage = new Uint8Array(authority.root.der.length)
    // The change time of most systems goes on every four milliseconds.
    const { ctimeNs } = statSync(file, { bigint: true })
    do write(file, garbage)
    while (statSync(file, { bigint: true }).ctimeNs === ctimeNs)
    await trust.check()
    assert.equal(causeCode(errors[0]), 'ca-malformed')
  })

  it('follows a file on its own, by a timer that does not keep the process', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
    const { promise, resolve } = Promise.withResolvers<TrustStore>()
    const before = timers()
    await using trust = watchTrust({
      ca: file,
      env: false,
      intervalMs: 10,
      settleMs: 1,
      onChange: resolve,
    })
    assert.equal(timers(), before)
    replace(file, other.rootPem)
    assert.equal(await promise, trust.current)
    assert.ok(trust.current.has(other.root.fingerprint))
  })

  for (const [what, spoil, code] of [
    ['is missing', (file: string) => rmSync(file), 'ca-missing'],
    ['is empty', (file: string) => writeFileSync(file, ''), 'ca-empty'],
    ['is garbage', (file: string) => writeFileSync(file, 'hello'), 'ca-malformed'],
    [
      'ends in the middle of a block',
      (file: string) => writeFileSync(file, authority.rootPem.slice(0, 200)),
      'ca-malformed',
    ],
    ['holds a key only', (file: string) => writeFileSync(file, localhost.keyPem), 'ca-empty'],
    ['is a link to itself', (file: string) => linkTo(file, file), 'ca-missing'],
    ['is a device that never ends', (file: string) => linkTo('/dev/zero', file), 'ca-missing'],
  ] as const) {
    it(`keeps the last good store while the file ${what}, says so once, and recovers`, async (t) => {
      const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
      const { trust, changes, errors } = watched({ ca: file })
      const before = trust.current
      spoil(file)
      await trust.check()
      await trust.check()
      await trust.check()
      assert.equal(trust.current, before)
      assert.equal(errors.length, 1)
      assert.equal(trust.lastError?.message, errors[0]?.message)
      assert.equal(trust.lastError?.code, 'reload-failed')
      assert.equal(causeCode(trust.lastError), code)
      assert.match(trust.lastError?.message ?? '', /option ca.*what was read at 2.*stays in force/)
      assert.equal(trust.lastError?.path, file)

      replace(file, authority.rootPem)
      await trust.check()
      assert.equal(trust.lastError, undefined)
      assert.equal(trust.current, before, 'the same set is the same store')
      assert.deepEqual(changes, [])

      replace(file, other.rootPem)
      await trust.check()
      assert.equal(changes.length, 1)
    })
  }

  it('does not wait for the writer of a pipe that took the place of the file', async (t) => {
    const mkfifo = requireTool(t, 'mkfifo')
    if (mkfifo === undefined) return
    const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
    const { trust, errors } = watched({ ca: file })
    rmSync(file)
    await runCommand(mkfifo, [file])
    await trust.check()
    assert.ok(trust.current.has(authority.root.fingerprint))
    assert.match(errors[0]?.message ?? '', /cannot read .*roots\.pem: it is a named pipe; what was/)
  })

  it('says a second fault as well, and the first again when it comes back', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
    const { trust, errors } = watched({ ca: file })
    const steps = [() => rmSync(file), () => write(file, 'hello'), () => rmSync(file)]
    for (const step of steps) {
      step()
      await trust.check()
    }
    assert.deepEqual(
      errors.map((error) => causeCode(error)),
      ['ca-missing', 'ca-malformed', 'ca-missing'],
    )
  })

  it('warns where nobody listens for errors', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
    const trust = watchTrust({ ca: file, env: false, intervalMs: 0, settleMs: 1 })
    rmSync(file)
    const warned = once(process, 'warning')
    await trust.check()
    const [warning] = await warned
    assert.ok(warning instanceof Error && 'code' in warning)
    assert.equal(warning.code, 'COUNTERSIGN_RELOAD_FAILED')
    assert.match(warning.message, /stays in force/)
  })

  it('follows a folder: a file more, a file less, a file rewritten, a broken one', async (t) => {
    const folder = temporaryFolder(t)
    write(path.join(folder, 'a.pem'), authority.rootPem)
    const { trust, errors } = watched({ ca: folder })
    write(path.join(folder, 'b.crt'), other.rootPem)
    await trust.check()
    assert.equal(trust.current.size, 2)
    write(path.join(folder, 'b.crt'), other.rootPem + other.issuerPem)
    await trust.check()
    assert.equal(trust.current.size, 3)
    rmSync(path.join(folder, 'a.pem'))
    await trust.check()
    assert.equal(trust.current.size, 2)
    write(path.join(folder, 'c.pem'), 'hello')
    await trust.check()
    assert.equal(trust.current.size, 2)
    assert.equal(causeCode(errors[0]), 'ca-malformed')
    rmSync(folder, { recursive: true })
    await trust.check()
    assert.equal(trust.current.size, 2)
    assert.equal(causeCode(errors[1]), 'ca-missing')
  })

  it('follows links that are swapped as a whole, as Kubernetes mounts them', {
    skip: process.platform === 'win32' && 'links need a privilege',
  }, async (t) => {
    const folder = temporaryFolder(t)
    write(path.join(folder, '..1/roots.pem'), authority.rootPem)
    symlinkSync('..1', path.join(folder, '..data'))
    symlinkSync('..data/roots.pem', path.join(folder, 'roots.pem'))
    const both = [{ ca: path.join(folder, 'roots.pem') }, { ca: folder }].map(watched)
    write(path.join(folder, '..2/roots.pem'), other.rootPem)
    symlinkSync('..2', path.join(folder, '..data_tmp'))
    renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'))
    rmSync(path.join(folder, '..1'), { recursive: true })
    for (const { trust, errors } of both) {
      await trust.check()
      assert.ok(trust.current.has(other.root.fingerprint))
      assert.equal(trust.current.size, 1)
      assert.deepEqual(errors, [])
    }
  })

  it('follows what a variable names, and the variable itself', async (t) => {
    const folder = temporaryFolder(t)
    const one = write(path.join(folder, 'one.pem'), authority.rootPem)
    const two = write(path.join(folder, 'two.pem'), other.rootPem)
    const extra = write(path.join(folder, 'extra.pem'), other.issuerPem)
    const env: Record<string, string> = {
      SSL_CERT_DIR: path.join(folder, 'many'),
      NODE_EXTRA_CA_CERTS: extra,
    }
    write(path.join(folder, 'many/a.pem'), authority.rootPem)
    const { trust } = watched({ env })
    assert.equal(trust.current.size, 2)
    write(path.join(folder, 'many/b.pem'), other.rootPem)
    await trust.check()
    assert.equal(trust.current.size, 3)
    replace(extra, authority.issuerPem)
    await trust.check()
    assert.ok(trust.current.has(authority.issuer.fingerprint))
    env['COUNTERSIGN_CA'] = one
    await trust.check()
    assert.equal(trust.current.size, 2)
    env['COUNTERSIGN_CA'] = two
    await trust.check()
    assert.ok(trust.current.has(other.root.fingerprint))
    assert.deepEqual(trust.current.describe().trace.slice(0, 2), [
      'COUNTERSIGN_CA: 1 certificate',
      'COUNTERSIGN_CA beat SSL_CERT_DIR',
    ])
  })

  it('follows roots.pem of a data folder, while its database may change as it likes', async (t) => {
    const folder = temporaryFolder(t)
    write(path.join(folder, 'roots.pem'), authority.rootPem)
    write(path.join(folder, 'issuer.key'), 'encrypted')
    write(path.join(folder, 'server.crt'), localhost.certPem)
    const { trust, errors } = watched({ ca: folder })
    const { loadedAt } = trust
    write(path.join(folder, 'countersign.db-wal'), 'x')
    write(path.join(folder, 'server.crt'), 'renewed')
    await trust.check()
    assert.deepEqual(trust.loadedAt, loadedAt, 'nothing was read')
    replace(path.join(folder, 'roots.pem'), authority.rootPem + other.rootPem)
    await trust.check()
    assert.equal(trust.current.size, 2)
    assert.deepEqual(errors, [])
  })

  it('reads at once when told to, and throws what is wrong', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
    const { trust, changes } = watched({ ca: file })
    assert.equal(trust.reload(), false)
    replace(file, other.rootPem)
    assert.equal(trust.reload(), true)
    assert.equal(changes.length, 1)
    rmSync(file)
    const error = await failureOf(() => trust.reload())
    assert.equal(error.code, 'reload-failed')
    assert.equal(causeCode(error), 'ca-missing')
    assert.ok(trust.current.has(other.root.fingerprint))
  })

  it('looks no more once it is closed', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'roots.pem'), authority.rootPem)
    const { trust, changes } = watched({ ca: file, intervalMs: 1 })
    await trust.close()
    await trust.close()
    replace(file, other.rootPem)
    await trust.check()
    assert.deepEqual(changes, [])
    assert.ok(trust.current.has(authority.root.fingerprint))
  })

  it('refuses a first store that cannot be read, misspelt options and times that are none', async (t) => {
    const file = path.join(temporaryFolder(t), 'roots.pem')
    assert.equal((await failureOf(() => watched({ ca: file }))).code, 'ca-missing')
    write(file, authority.rootPem)
    for (const wrong of [
      { intervalMs: -1 },
      { settleMs: 0.5 },
      { retryMs: Number.NaN },
      { intervalMs: 2 ** 31 },
    ]) {
      const error = await failureOf(() => watched({ ca: file, ...wrong }))
      assert.equal(error.code, 'option-invalid')
      assert.equal(error.source, Object.keys(wrong)[0])
    }
    assert.throws(
      // @ts-expect-error a caller without types
      () => watchTrust({ ca: file, interval: 5 }),
      (error) => error instanceof CoreError && error.code === 'option-unknown',
    )
    // @ts-expect-error a caller without types
    assert.equal((await failureOf(() => watchTrust({ ca: 42 }))).code, 'option-invalid')
  })
})

/** A text file, with what it looked at and what it read. */
function textOf(
  file: string,
  hooks: { onLook?: (looks: number) => void; onRead?: (reads: number) => void } = {},
): { live: LiveValue<string>; reads: string[]; errors: TlsError[] } {
  const reads: string[] = []
  const errors: TlsError[] = []
  let looks = 0
  const live = new LiveValue(
    {
      read: () => {
        const text = readFileSync(file, 'utf8')
        reads.push(text)
        hooks.onRead?.(reads.length)
        return text
      },
      paths: () => {
        hooks.onLook?.(looks++)
        return [file]
      },
      digestOf: (text) => text,
    },
    { intervalMs: 0, settleMs: 1, onError: (error) => errors.push(error) },
  )
  return { live, reads, errors }
}

describe('LiveValue', () => {
  it('does not read what did not change', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'a'), 'one')
    const { live, reads } = textOf(file)
    await live.check()
    await live.check()
    assert.deepEqual(reads, ['one'])
  })

  it('waits until who writes is done', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'a'), 'one')
    let looksAfter = Infinity
    const { live, reads, errors } = textOf(file, {
      // Each look but the last finds the file longer than the one before.
      onLook: () => {
        if (looksAfter++ < 3) appendFileSync(file, '.')
      },
    })
    looksAfter = 0
    write(file, 'second')
    await live.check()
    assert.deepEqual(reads, ['one', 'second...'])
    assert.equal(live.current, 'second...')
    assert.deepEqual(errors, [])
  })

  it('does not take what changed while it was read, and takes it at the next look', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'a'), 'one')
    const { live, reads, errors } = textOf(file, {
      onRead: (count) => {
        if (count === 2) write(file, 'three')
      },
    })
    write(file, 'second')
    await live.check()
    assert.deepEqual(reads, ['one', 'second'])
    assert.equal(live.current, 'one')
    assert.match(errors[0]?.message ?? '', /changed while they were read; what was read at/)
    await live.check()
    assert.equal(live.current, 'three')
    assert.equal(live.lastError, undefined)
  })

  it('reads a file that never comes to rest after ten looks', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'a'), 'one')
    let isRestless = false
    const { live, errors } = textOf(file, {
      onLook: () => {
        if (isRestless) appendFileSync(file, '.')
      },
    })
    isRestless = true
    await live.check()
    assert.equal(live.current, 'one')
    assert.equal(errors.length, 1)
    isRestless = false
    await live.check()
    assert.match(live.current, /^one\.+$/)
  })

  it('reads once more what was written just before it was read', async (t) => {
    // On a file system that counts in seconds a second write would look the same.
    const soon = new Date(Date.now() + 1500)
    const file = write(path.join(temporaryFolder(t), 'a'), 'one', soon)
    const { live, reads } = textOf(file)
    await live.check()
    assert.deepEqual(reads, ['one', 'one'])
  })

  it('tries again what could not be used, though the files did not change', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'a'), 'one')
    let isOutOfHandles = false
    const errors: TlsError[] = []
    const source = {
      read: () => {
        if (isOutOfHandles) throw Object.assign(new Error('too many files'), { code: 'EMFILE' })
        return readFileSync(file, 'utf8')
      },
      paths: () => [file],
      digestOf: (text: string) => text,
    }
    const options = { intervalMs: 0, settleMs: 1, onError: (error: TlsError) => errors.push(error) }
    const patient = new LiveValue(source, { ...options, retryMs: 2 ** 31 - 1 })
    const eager = new LiveValue(source, { ...options, retryMs: 0 })
    isOutOfHandles = true
    write(file, 'second')
    await patient.check()
    await eager.check()
    await eager.check()
    assert.deepEqual(
      errors.map(({ nodeCode }) => nodeCode),
      ['EMFILE', 'EMFILE'],
      'each said it once',
    )
    isOutOfHandles = false
    await patient.check()
    await eager.check()
    assert.equal(patient.current, 'one', 'its time has not come')
    assert.equal(eager.current, 'second')
    assert.equal(eager.lastError, undefined)
    await eager.check()
    assert.equal(patient.reload(), true)
  })

  it('lets what a callback throws come out, and goes on', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'a'), 'one')
    const live = new LiveValue(
      {
        read: () => readFileSync(file, 'utf8'),
        paths: () => [file],
        digestOf: (text) => text,
      },
      {
        intervalMs: 0,
        settleMs: 1,
        onChange: (text) => {
          throw new Error(`no ${text}`)
        },
      },
    )
    write(file, 'second')
    await assert.rejects(live.check(), /no second/)
    assert.equal(live.current, 'second')
    write(file, 'three')
    await assert.rejects(live.check(), /no three/)
  })
})

describe('watchContext', () => {
  it('puts a renewed certificate and other authorities into a listener', async (t) => {
    const folder = temporaryFolder(t)
    const files = localhost.write(folder, 'server')
    const roots = write(path.join(folder, 'clients.pem'), other.rootPem)
    const client = authority.issue({ names: ['alice'], client: true })
    const errors: TlsError[] = []
    await using live = watchContext({
      purpose: 'client-auth',
      cert: files.certificate,
      key: files.key,
      ca: roots,
      intervalMs: 0,
      settleMs: 1,
      onChange: (next) => listener.reload(next),
      onError: (error) => errors.push(error),
    })
    await using listener = await listen({ port: 0, host: '127.0.0.1', context: live.current })
    const handled = Promise.withResolvers<string | undefined>()
    const serving = (async () => {
      for await (const socket of listener) {
        handled.resolve(socket.peer.certificate?.fingerprint)
        await socket.close()
      }
    })()

    const renewed = authority.issue({ names: ['localhost', '127.0.0.1'] })
    const before = live.current
    write(files.certificate, renewed.chainPem)
    await live.check()
    assert.equal(live.current, before, 'the key is still that of the old one')
    assert.equal(causeCode(errors[0]), 'key-mismatch')
    write(files.key, renewed.keyPem)
    replace(roots, authority.rootPem)
    await live.check()
    assert.equal(live.lastError, undefined)
    assert.notEqual(live.current.epoch, before.epoch)

    const context = clientContext({ cert: client.chainPem, key: client.keyPem })
    const socket = await connectTo(listener, { context })
    assert.equal(socket.peer.certificate?.fingerprint, renewed.certificate.fingerprint)
    assert.equal(await handled.promise, client.certificate.fingerprint)
    await socket.close()
    await listener.close()
    await serving
  })

  it('takes a certificate that begins later once it has begun', async (t) => {
    const folder = temporaryFolder(t)
    const { pem } = localhost.write(folder, 'server')
    const errors: TlsError[] = []
    const live = watchContext({
      purpose: 'client-auth',
      cert: pem,
      intervalMs: 0,
      settleMs: 1,
      retryMs: 0,
      onError: (error) => errors.push(error),
    })
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    const notBefore = new Date(Date.now() + 60_000)
    const early = authority.issue({ names: ['localhost'], notBefore }).write(folder, 'early')
    renameSync(early.pem, pem)
    await live.check()
    assert.equal(causeCode(errors[0]), 'cert-not-yet-valid')
    t.mock.timers.tick(120_000)
    await live.check()
    assert.equal(live.lastError, undefined)
    assert.equal(
      live.current.certificate?.notBefore.getTime(),
      Math.floor(notBefore.getTime() / 1000) * 1000,
    )
  })

  it('follows revocation lists, PKCS#12, further certificates and what the environment names', async (t) => {
    const folder = temporaryFolder(t)
    const crl = write(path.join(folder, 'all.crl'), authority.crlPem())
    const roots = write(path.join(folder, 'roots.pem'), authority.rootPem)
    const client = watchContext({
      env: { SSL_CERT_FILE: roots },
      crl,
      intervalMs: 0,
      settleMs: 1,
    })
    const epochs = new Set([client.current.epoch])
    replace(crl, authority.crlPem({ revoked: [localhost.certificate] }))
    await client.check()
    epochs.add(client.current.epoch)
    replace(roots, authority.rootPem + other.rootPem)
    await client.check()
    epochs.add(client.current.epoch)
    assert.equal(epochs.size, 3)

    const pfx = path.join(folder, 'server.p12')
    writeFileSync(pfx, localhost.pkcs12('secret'))
    const more = authority.issue({ names: ['localhost'], keyType: 'ed25519' }).write(folder, 'more')
    const server = watchContext({
      purpose: 'client-auth',
      pfx,
      passphrase: 'secret',
      moreCertificates: [{ cert: more.pem }],
      intervalMs: 0,
      settleMs: 1,
    })
    const first = server.current
    const renewed = authority.issue({ names: ['localhost'] })
    writeFileSync(pfx, renewed.pkcs12('secret'))
    await server.check()
    assert.equal(server.current.certificate?.fingerprint, renewed.certificate.fingerprint)
    const second = server.current
    authority.issue({ names: ['localhost'], keyType: 'ed25519' }).write(folder, 'more')
    await server.check()
    assert.equal(new Set([first, second, server.current]).size, 3)
    assert.equal(server.current.epoch, first.epoch)
  })
})

describe('SystemRoots', () => {
  it('are read again when their file is another, and stay while it is missing or empty', async (t) => {
    const file = write(path.join(temporaryFolder(t), 'ca-certificates.crt'), authority.rootPem)
    const roots = new SystemRoots(file)
    const fingerprints = (): string[] => roots.part.certificates.map((one) => one.fingerprint)
    assert.deepEqual(fingerprints(), [authority.root.fingerprint])
    const { part } = roots
    roots.refresh()
    assert.equal(roots.part, part)
    for (const [spoil, code] of [
      [() => rmSync(file), 'ca-missing'],
      [() => writeFileSync(file, 'hello'), 'ca-empty'],
    ] as const) {
      spoil()
      assert.equal((await failureOf(() => roots.refresh())).code, code)
      assert.equal(roots.part, part)
    }
    replace(file, other.rootPem)
    roots.refresh()
    assert.deepEqual(fingerprints(), [other.root.fingerprint])
    new SystemRoots(undefined).refresh()
  })
})
