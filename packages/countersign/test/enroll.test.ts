/**
 * A machine's first certificate by an enrolment token, and its renewals, against a running `countersign up`.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Session } from '@countersign/client'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { Certificate, verifyChain } from '@countersign/x509'
import { type RunningService, startUp } from './running-service.ts'

scrubProcess()

describe('enrolment over the network', () => {
  const folder = temporaryFolder(after)
  const data = path.join(folder, 'data')
  /** The other machine: it has the roots, and no data folder. */
  const elsewhere = path.join(folder, 'elsewhere')
  let service: RunningService | undefined

  before(async () => {
    service = await startUp(data)
  })
  after(async () => service?.[Symbol.asyncDispose]())

  function from(): string[] {
    assert.ok(service)
    return ['--from', service.url, '--ca', service.roots]
  }

  async function makeToken(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await runProgram(['enroll-token', ...args, '--data', data])
    assert.equal(code, 0, stderr)
    const file = path.join(folder, `token-${args[0]}`)
    writeFileSync(file, stdout)
    return file
  }

  async function there(args: readonly string[]): ReturnType<typeof runProgram> {
    return await runProgram(args, { env: { COUNTERSIGN_DATA: path.join(folder, 'none') } })
  }

  it('writes the files of issue on another machine, once for a token', async () => {
    const file = await makeToken('api.corp.internal', '10.0.0.7')
    const issue = ['issue', 'api.corp.internal', ...from(), '--token-file', file, '--out']
    const { code, stdout, stderr } = await there([...issue, elsewhere, '--json'])
    assert.equal(code, 0, stderr)
    const { files, serial } = JSON.parse(stdout)
    assert.deepEqual(readdirSync(elsewhere).toSorted(), [
      'api.corp.internal.crt',
      'api.corp.internal.key',
      'roots.pem',
    ])
    const [leaf, ...intermediates] = Certificate.parseAll(readFileSync(files.certificate, 'utf8'))
    assert.ok(leaf)
    assert.equal(leaf.serialNumber, serial)
    assert.deepEqual(leaf.dnsNames, ['api.corp.internal'])
    const roots = Certificate.parseAll(readFileSync(files.roots, 'utf8'))
    assert.ok(verifyChain({ leaf, intermediates, roots, purpose: 'server' }).ok)
    const again = await there([...issue, path.join(folder, 'again')])
    assert.equal(again.code, 4)
    assert.match(again.stderr, /the enrolment token was used at/)
    assert.deepEqual(readdirSync(path.join(folder, 'again')), [])
  })

  it('renews a server by a signature of its key, for the same key and another', async () => {
    const certificate = path.join(elsewhere, 'api.corp.internal.crt')
    const key = path.join(elsewhere, 'api.corp.internal.key')
    const [first] = Certificate.parseAll(readFileSync(certificate, 'utf8'))
    const same = await there(['renew', certificate, ...from()])
    assert.equal(same.code, 0, same.stderr)
    const [renewed] = Certificate.parseAll(readFileSync(certificate, 'utf8'))
    assert.ok(first && renewed && renewed.publicKey.equals(first.publicKey))
    assert.notEqual(renewed.serialNumber, first.serialNumber)
    const keyBefore = readFileSync(key, 'utf8')
    const rekeyed = await there(['renew', certificate, ...from(), '--rekey'])
    assert.equal(rekeyed.code, 0, rekeyed.stderr)
    assert.notEqual(readFileSync(key, 'utf8'), keyBefore)
    assert.equal((await there(['renew', certificate, ...from()])).code, 0)
  })

  it('renews a client by its certificate, over mutual TLS', async () => {
    const file = await makeToken('ann', '--client')
    const args = ['issue', 'ann', '--client', ...from(), '--token-file', file, '--out', elsewhere]
    const issued = await there(args)
    assert.equal(issued.code, 0, issued.stderr)
    const certificate = path.join(elsewhere, 'ann.crt')
    const renewed = await there(['renew', certificate, ...from()])
    assert.equal(renewed.code, 0, renewed.stderr)
    assert.ok(service)
    // The connection alone says who asks.
    await using shown = new Session({
      ca: service.roots,
      cert: certificate,
      key: path.join(elsewhere, 'ann.key'),
    })
    const url = `${service.url}/ca/certificates/renew`
    const answer = await shown.post(url)
    assert.equal(answer.status, 201, await answer.text())
    await using nobody = new Session({ ca: service.roots })
    const refused = await nobody.post(url)
    assert.equal(refused.status, 401)
    assert.equal(Object(await refused.json()).code, 'certificate-missing')
  })

  it('renews nothing that was revoked', async () => {
    const certificate = path.join(elsewhere, 'api.corp.internal.crt')
    const text = readFileSync(certificate, 'utf8')
    const revoked = await runProgram(['revoke', certificate, '--data', data])
    assert.equal(revoked.code, 0, revoked.stderr)
    const refused = await there(['renew', certificate, ...from(), '--json'])
    assert.notEqual(refused.code, 0)
    assert.equal(JSON.parse(refused.stdout).code, 'certificate-revoked')
    assert.equal(readFileSync(certificate, 'utf8'), text)
  })

  it('refuses other names, foreign tokens and what does not go together', async () => {
    const token = await makeToken('a.corp.internal')
    const wrong = path.join(folder, 'wrong')
    writeFileSync(wrong, `csgn_enroll_${'A'.repeat(43)}\n`)
    const rows: readonly (readonly [readonly string[], number, RegExp])[] = [
      [
        ['issue', 'b.corp.internal', ...from(), '--token-file', token],
        4,
        /may not ask for "b\.corp/,
      ],
      [
        ['issue', 'a.corp.internal', '--client', ...from(), '--token-file', token],
        4,
        /profile server/,
      ],
      [
        ['issue', 'a.corp.internal', ...from(), '--token-file', wrong],
        4,
        /no such enrolment token/,
      ],
      [['issue', 'a.corp.internal', ...from()], 2, /--from needs --token-file/],
      [['issue', 'a.corp.internal', '--token-file', token], 2, /--token-file needs --from/],
      [
        ['issue', 'a.corp.internal', ...from(), '--token-file', token, '--p12'],
        2,
        /--p12 does not go/,
      ],
      [['enroll-token', '*.com', '--data', data], 1, /whole top level/],
      [['enroll-token', 'a.test', '--ttl', '25h', '--data', data], 1, /24 hours/],
    ]
    const out = path.join(folder, 'refused')
    for (const [args, code, words] of rows) {
      const given = args[0] === 'issue' ? [...args, '--out', out] : args
      const result = await there(given)
      assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`)
      assert.match(result.stderr, words)
    }
    assert.ok(!existsSync(out) || readdirSync(out).length === 0)
  })

  it('is refused where the authority is not trusted, and keeps the token', async () => {
    assert.ok(service)
    const token = await makeToken('kept.corp.internal')
    const args = ['issue', 'kept.corp.internal', '--from', service.url, '--token-file', token]
    const refused = await there([...args, '--out', path.join(folder, 'kept')])
    assert.equal(refused.code, 3, refused.stderr)
    const listed = await runProgram(['enroll-token', '--list', '--data', data])
    assert.match(listed.stdout, /kept\.corp\.internal/)
  })

  it('tells in its numbers and its list what was issued', async () => {
    assert.ok(service)
    await using session = new Session({ ca: service.roots })
    const numbers = await (await session.get(`${service.url}/metrics`)).text()
    assert.match(numbers, /countersign_issued_certificates\{profile="client",state="valid"\} [1-9]/)
    assert.match(numbers, /countersign_issued_certificates\{profile="server",state="revoked"\} 1\b/)
    assert.match(numbers, /countersign_issued_soonest_days_left\{profile="client"\} 0\.\d/)
    const certs = ['certs', '--data', data, '--format', 'jsonl', '--search']
    const { stdout } = await runProgram([...certs, 'api.corp'])
    const lines = stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    // Issued once, renewed three times.
    assert.equal(lines.length, 4)
    const issuer = String(Object(lines[0]).issuer)
    assert.match(issuer, /^issuer-/)
    const own = await runProgram([...certs, 'api.corp', '--issuer', issuer])
    assert.equal(own.stdout, stdout)
    const none = await runProgram([...certs, 'api.corp', '--issuer', 'issuer-x'])
    assert.equal(none.stdout, '')
  })

  it('shows the rules that hold, and refuses those that cannot be read', async () => {
    const other = path.join(folder, 'other')
    const made = await runProgram(['init', '--data', other])
    assert.equal(made.code, 0, made.stderr)
    const shown = await runProgram(['policy', '--data', other])
    assert.match(shown.stdout, /operator, role:admin/)
    assert.match(shown.stdout, /role:issuer\s+hosts/)
    const file = path.join(other, 'countersign.toml')
    writeFileSync(file, '[[rules]]\nwho = ["user:ann"]\nnames = [".corp.internal"]\n')
    const own = await runProgram(['policy', '--data', other, '--json'])
    const names = ['.corp.internal']
    assert.deepEqual(JSON.parse(own.stdout), {
      source: file,
      rules: [{ who: ['user:ann'], names }],
    })
    writeFileSync(file, '[[rules]]\nwho = ["user:ann"]\nname = ["x.test"]\n')
    const misspelt = await runProgram(['policy', '--data', other])
    assert.notEqual(misspelt.code, 0)
    assert.match(misspelt.stderr, /name/)
    writeFileSync(file, '[[rules]]\nwho = ["ann"]\nnames = ["x.test"]\n')
    const nobody = await runProgram(['issue', 'a.test', '--data', other, '--out', other])
    assert.notEqual(nobody.code, 0)
    assert.match(nobody.stderr, /"ann" says nobody/)
  })
})
