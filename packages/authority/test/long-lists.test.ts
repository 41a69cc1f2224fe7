/** Lists that are too long for memory, and lists about a part of an issuer's certificates. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readlinkSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { initAuthority, openAuthority, type Authority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { runCommand, scrubProcess, skipWithout, temporaryFolder } from '@countersign/testkit'
import { type Certificate, CertificateRevocationList, verifyChain } from '@countersign/x509'
import type { LedgerTables } from '../src/ledger-schema.ts'
import { clientRequest, serverRequest, sqliteUrl } from './fixture.ts'
import { MANY, revokeMany, serialOf } from './many-revoked.ts'

scrubProcess()

const PUBLIC_URL = 'http://ca.corp.internal'
const home = temporaryFolder(after)
const HOUR = 3_600_000
/** The routes of lists ask nobody. */
const authorize = async (): Promise<Response> => Response.json({}, { status: 401 })

let count = 0
function newFolder(): string {
  const made = path.join(home, `data-${++count}`)
  mkdirSync(made, { mode: 0o700 })
  return made
}

/** The file behind a descriptor; `undefined` where it has been closed meanwhile. */
function readlinkOf(descriptor: string): string | undefined {
  try {
    return readlinkSync(descriptor)
  } catch {
    return undefined
  }
}

/** Lists that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((descriptor) => {
    const file = readlinkOf(`/proc/self/fd/${descriptor}`)
    return file?.endsWith('.crl') === true ? [file] : []
  })
}

async function until(isSo: () => boolean): Promise<void> {
  for (let waited = 0; !isSo(); waited += 20) {
    assert.ok(waited < 15_000)
    await sleep(20)
  }
}

function filesOf(folder: string): string[] {
  return readdirSync(path.join(folder, 'crl')).toSorted()
}

describe('a long revocation list', () => {
  const folder = newFolder()
  const url = sqliteUrl(folder)
  const now = new Date('2030-01-02T00:00:00Z')
  const clock = (): Date => now

  it('is a file, handed out in pieces; the next one takes its place', async () => {
    await using store = await openStore(url)
    const authority = await initAuthority({ store, folder, clock, authorize })
    const { certificate } = await authority.issue(serverRequest())
    const [empty] = await authority.crl()
    const ca = empty?.ca ?? ''
    await revokeMany(store, ca, new Date('2029-12-31T23:00:00Z'))
    const [first] = await authority.revocationLists()
    assert.deepEqual(filesOf(folder), [`${ca}-${first?.number}.crl`])
    const response = await authority.routes.request(`/crl/${ca}.crl`)
    assert.equal(response.headers.get('content-length'), String(first?.size))
    const list = CertificateRevocationList.parse(await response.bytes())
    assert.equal(list.size, MANY)
    assert.ok(list.issuedBy(authority.issuer))
    assert.ok(list.has(serialOf(1)) && list.has(serialOf(MANY)) && !list.has(serialOf(MANY + 1)))

    const tag = response.headers.get('etag') ?? ''
    const again = { headers: { 'if-none-match': tag } }
    assert.equal((await authority.routes.request(`/crl/${ca}.crl`, again)).status, 304)
    const slow = first?.stream().getReader()
    assert.ok((await slow?.read())?.value !== undefined)

    await authority.revoke(certificate.serialNumber, 'keyCompromise')
    const [next] = await authority.revocationLists()
    assert.deepEqual(filesOf(folder), [`${ca}-${next?.number}.crl`])
    const newer = CertificateRevocationList.parse((await next?.read()) ?? '')
    // Revoked now, in a list that is dated back: not later than the list.
    assert.deepEqual(newer.get(certificate.serialNumber), {
      serialNumber: certificate.serialNumber,
      date: newer.thisUpdate,
      reason: 'keyCompromise',
    })
    assert.equal(newer.size, MANY + 1)
    assert.equal((await authority.routes.request(`/crl/${ca}.crl`, again)).status, 200)
    // Whoever was reading the one before gets all of it, and it is not lost for whoever has still to begin.
    let rest = 0
    for (let done = false; !done; ) {
      const piece = await slow?.read()
      done = piece?.done !== false
      rest += piece?.value?.length ?? 0
    }
    assert.ok(rest > 0)
    assert.deepEqual((await first?.read())?.length, list.der.length)
  })

  it('is made again, byte for byte, where the file is gone, and on a machine that never had it', async () => {
    await using store = await openStore(url)
    const authority = await openAuthority({ store, folder, clock })
    const [list] = await authority.crl()
    rmSync(path.join(folder, 'crl'), { recursive: true })
    const reopened = await openAuthority({ store, folder, clock })
    assert.deepEqual(await reopened.crl(), await authority.crl())
    const elsewhere = newFolder()
    writeFileSync(path.join(elsewhere, 'roots.pem'), authority.rootsPem)
    const without = await openAuthority({ store, folder: elsewhere, clock })
    const [copy] = await without.crl()
    assert.deepEqual(copy, list)
    assert.deepEqual(
      filesOf(elsewhere),
      filesOf(folder).filter((name) => name.endsWith('.crl')),
    )
  })

  it('is made again once for a hundred who ask at the same time, and the next start clears up', async () => {
    await using store = await openStore(url)
    const authority = await openAuthority({ store, folder, clock, authorize })
    const [list] = await authority.crl()
    assert.ok(list !== undefined)
    const [file = ''] = filesOf(folder)
    rmSync(path.join(folder, 'crl', file))
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const response = await authority.routes.request(`/crl/${list.ca}.crl`)
        return Buffer.compare(await response.bytes(), list.der)
      }),
    )
    assert.ok(answers.every((difference) => difference === 0))
    assert.deepEqual(filesOf(folder), [file])
    const older = file.replace(/-\d+\.crl$/, '-1.crl')
    writeFileSync(path.join(folder, 'crl', older), 'of before')
    await openAuthority({ store, folder, clock })
    assert.deepEqual(filesOf(folder), [file])
  })

  it('is signed anew where the ledger no longer has what it was signed over', async () => {
    await using store = await openStore(url)
    const authority = await openAuthority({ store, folder, clock })
    const [before] = await authority.crl()
    rmSync(path.join(folder, 'crl'), { recursive: true })
    const database = store.database<LedgerTables>()
    await database.deleteFrom('revocation').where('ordinal', '=', 7).execute()
    const reopened = await openAuthority({ store, folder, clock })
    const [list] = await reopened.crl()
    assert.ok(list !== undefined && before !== undefined && list.number > before.number)
    assert.equal(CertificateRevocationList.parse(list.der).size, MANY)
  })

  it('leaves no file open for whoever goes away while it is opened', {
    skip: process.platform === 'linux' ? false : 'files that are open are listed by Linux',
  }, async () => {
    await using store = await openStore(url)
    const authority = await openAuthority({ store, folder, clock })
    const [list] = await authority.revocationLists()
    for (let turns = 0; turns < 12; turns++) {
      const reader = list?.stream().getReader()
      const asked = reader?.read()
      for (let turn = 0; turn < turns; turn++) await nextTurn()
      await reader?.cancel()
      assert.ok((await asked)?.done !== undefined)
    }
    // What is under way now, ends.
    await until(() => openFiles().length === 0)
  })

  it('is made again where the file is cut off', async () => {
    await using store = await openStore(url)
    const authority = await openAuthority({ store, folder, clock })
    const [list] = await authority.crl()
    const [file = ''] = filesOf(folder)
    truncateSync(path.join(folder, 'crl', file), 1000)
    const reopened = await openAuthority({ store, folder, clock })
    const [again] = await reopened.crl()
    // Not deepEqual: what differs in a megabyte would fill the memory.
    assert.ok(again !== undefined && list !== undefined)
    assert.equal(Buffer.compare(again.der, list.der), 0)
  })

  it('has entries of what an older version revoked without any', async () => {
    const older = newFolder()
    await using store = await openStore(sqliteUrl(older))
    const authority = await initAuthority({ store, folder: older })
    const serials: string[] = []
    for (let index = 0; index < 3; index++) {
      const { serialNumber } = await authority.issue(serverRequest())
      await authority.revoke(serialNumber, index === 0 ? 'unspecified' : 'superseded')
      serials.push(serialNumber)
    }
    const [list] = await authority.crl()
    const database = store.database<LedgerTables>()
    await database.deleteFrom('revocation').execute()
    await database.updateTable('certificate').set({ revocation_ordinal: null }).execute()
    await database.updateTable('certificate_authority').set({ revocation_entries: 0 }).execute()
    // One that is revoked before the next list does not hide that the others are missing.
    const { serialNumber } = await authority.issue(serverRequest())
    await authority.revoke(serialNumber)
    const [next] = await authority.crl()
    assert.ok(next !== undefined && list !== undefined && next.number > list.number)
    const entries = [...CertificateRevocationList.parse(next.der)]
    assert.deepEqual(
      entries.map((one) => one.serialNumber).toSorted(),
      [...serials, serialNumber].toSorted(),
    )
    assert.equal(entries.filter(({ reason }) => reason === 'superseded').length, 2)
  })
})

describe('lists about a part of the certificates', () => {
  it('are named by the certificates after the first so many, and speak about those alone', async () => {
    const folder = newFolder()
    await using store = await openStore(sqliteUrl(folder))
    const options = { store, folder, publicUrl: PUBLIC_URL, crlPartitionSize: 3 }
    const authority = await initAuthority({ ...options, authorize })
    const leaves = (
      await authority.issueMany(Array.from({ length: 7 }, () => serverRequest()))
    ).map(({ certificate }) => certificate)
    const [whole] = await authority.crl()
    const ca = whole?.ca ?? ''
    const urls = [0, 1, 2].map(
      (part) => `${PUBLIC_URL}/crl/${ca}${part === 0 ? '' : `.${part}`}.crl`,
    )
    assert.deepEqual(
      leaves.map(pointOf),
      [0, 0, 0, 1, 1, 1, 2].map((part) => urls[part]),
    )
    // Another process goes on where this one has come to.
    const other = await openAuthority({ ...options, publicUrl: undefined })
    assert.equal(pointOf((await other.issue(serverRequest())).certificate), urls[2])

    for (const index of [0, 4])
      await authority.revoke(leaves[index]?.serialNumber ?? '', 'superseded')
    const [all, first, second] = await Promise.all(
      urls.map(async (url) => fetchList(authority, url)),
    )
    assert.deepEqual(
      serialsOf(all),
      [leaves[0], leaves[4]].map((one) => one?.serialNumber ?? '').toSorted(),
    )
    assert.deepEqual(serialsOf(first), [leaves[4]?.serialNumber])
    assert.deepEqual(serialsOf(second), [])
    assert.equal(all?.issuingDistributionPoint, undefined)
    assert.deepEqual(first?.issuingDistributionPoint?.fullName, [{ type: 'uri', value: urls[1] }])
    assert.equal(first?.extensions.get('2.5.29.28')?.critical, true)
    for (const [leaf, list, verdict] of [
      [leaves[4], first, 'revoked'],
      [leaves[4], all, 'revoked'],
      [leaves[3], first, 'ok'],
      [leaves[3], all, 'ok'],
      // The list of another part says nothing about it.
      [leaves[3], second, 'crl-missing'],
      [leaves[1], first, 'crl-missing'],
    ] as const) {
      assert.ok(leaf !== undefined && list !== undefined)
      assert.equal(await judge(authority, leaf, list), verdict)
    }
    // A list of its own is signed anew for what is revoked in it, and left alone for everything else.
    await authority.revoke(leaves[3]?.serialNumber ?? '')
    assert.ok((await fetchList(authority, urls[1]))?.has(leaves[3]?.serialNumber ?? ''))
    assert.equal((await fetchList(authority, urls[2]))?.number, second?.number)
    for (const url of [
      `${PUBLIC_URL}/crl/${ca}.3.crl`,
      `${PUBLIC_URL}/crl/${ca}.0.crl`,
      `${PUBLIC_URL}/crl/.1.crl`,
    ]) {
      assert.equal(await fetchList(authority, url), undefined, url)
    }
  })

  it('keep to the address that their certificates name, and last as long as those where the issuer goes', async () => {
    const folder = newFolder()
    await using store = await openStore(sqliteUrl(folder))
    let now = new Date('2030-01-02T00:00:00Z')
    const options = { store, folder, crlPartitionSize: 1, clock: () => now }
    const authority = await initAuthority({ ...options, publicUrl: PUBLIC_URL, authorize })
    await authority.issue(serverRequest())
    const { certificate: before } = await authority.issue(serverRequest({ days: 30 }))
    await authority.setPublicUrl('http://elsewhere.corp.internal')
    const { certificate: moved } = await authority.issue(serverRequest())
    assert.match(pointOf(before), /^http:\/\/ca\.corp\.internal\/crl\/.*\.1\.crl$/)
    assert.match(pointOf(moved), /^http:\/\/elsewhere\.corp\.internal\/crl\/.*\.2\.crl$/)
    // Where all of a part has ended, it is taken again.
    now = new Date(moved.notAfter.getTime() + HOUR)
    assert.equal(pointOf((await authority.issue(serverRequest())).certificate), pointOf(moved))

    await authority.revoke(before.serialNumber, 'superseded')
    await authority.roll('issuer')
    await authority.retire('issuer', { force: true })
    now = new Date(now.getTime() + 48 * HOUR)
    const last = await fetchList(authority, pointOf(before))
    assert.deepEqual(serialsOf(last), [before.serialNumber])
    assert.ok(last?.isValidAt(now))
  })

  it('are taken by openssl, which refuses a revoked certificate with one', {
    skip: skipWithout('openssl'),
  }, async () => {
    const folder = newFolder()
    await using store = await openStore(sqliteUrl(folder))
    const options = { store, folder, publicUrl: PUBLIC_URL, crlPartitionSize: 1, authorize }
    const authority = await initAuthority(options)
    await authority.issue(clientRequest())
    const inOwn = await authority.issue(clientRequest())
    const inOther = await authority.issue(clientRequest())
    await authority.revoke(inOwn.serialNumber)
    const roots = (await authority.crl()).filter(({ ca }) => ca.startsWith('root-'))
    const verdictOf = async (leaf: Certificate, url: string): Promise<string> => {
      const list = await fetchList(authority, url)
      const crls = [list, ...roots.map(({ der }) => CertificateRevocationList.parse(der))]
      const file = (name: string, text: string): string => {
        writeFileSync(path.join(folder, name), text)
        return path.join(folder, name)
      }
      const args = ['verify', '-crl_check_all', '-x509_strict']
      args.push('-CAfile', path.join(folder, 'roots.pem'))
      args.push('-untrusted', file('issuer.pem', authority.issuer.pem))
      args.push('-CRLfile', file('lists.pem', crls.map((one) => one?.pem ?? '').join('')))
      const { stdout, stderr } = await runCommand('openssl', [...args, file('leaf.pem', leaf.pem)])
      return `${stdout}${stderr}`
    }
    assert.match(await verdictOf(inOther.certificate, pointOf(inOther.certificate)), /: OK/)
    assert.match(
      await verdictOf(inOwn.certificate, pointOf(inOwn.certificate)),
      /certificate revoked/,
    )
    assert.match(
      await verdictOf(inOther.certificate, pointOf(inOwn.certificate)),
      /unable to get certificate CRL|different CRL scope/i,
    )
  })

  it('are refused of a size that is none', async () => {
    const folder = newFolder()
    await using store = await openStore(sqliteUrl(folder))
    for (const crlPartitionSize of [0, 1.5, Number.NaN]) {
      await assert.rejects(initAuthority({ store, folder: newFolder(), crlPartitionSize }), {
        code: 'option-invalid',
      })
    }
  })
})

async function fetchList(
  authority: Authority,
  url: string | undefined,
): Promise<CertificateRevocationList | undefined> {
  const response = await authority.routes.request(new URL(url ?? '').pathname)
  if (response.status === 404) return undefined
  assert.equal(response.status, 200)
  return CertificateRevocationList.parse(await response.bytes())
}

function serialsOf(list: CertificateRevocationList | undefined): string[] {
  return [...(list ?? [])].map(({ serialNumber }) => serialNumber).toSorted()
}

function pointOf(certificate: Certificate): string {
  return certificate.toPythonDict().crlDistributionPoints?.[0] ?? ''
}

async function judge(
  authority: Authority,
  leaf: Certificate,
  list: CertificateRevocationList,
): Promise<string> {
  const verdict = verifyChain({
    leaf,
    intermediates: [authority.issuer],
    roots: authority.roots,
    purpose: 'server',
    crls: [list],
    revocation: 'leaf',
  })
  return verdict.ok ? 'ok' : verdict.code
}
