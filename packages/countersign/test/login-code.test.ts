/**
 * `countersign login` of somebody who has a second factor.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { runProgram, scrubProcess, temporaryFolder } from '@countersign/testkit'
import { addUser, PASSWORD, type RunningService, signIn, startUp } from './running-service.ts'

scrubProcess()

const folder = temporaryFolder(after)
const env = { COUNTERSIGN_CONFIG: path.join(folder, 'config') }
let service: RunningService
let codes: string[]

before(async () => {
  service = await startUp(path.join(folder, 'data'))
  await addUser(service.data, 'ada')
  await using session = await signIn(service, 'ada')
  const made = await session.post('/auth/factors', { json: { type: 'jwk', jwk: {} } })
  assert.equal(made.status, 400)
  await made.bytes()
  const begun = JSON.parse(
    await (await session.post('/auth/factors', { json: { type: 'totp' } })).text(),
  )
  const code = codeOf(bytesOf(begun.secret))
  const confirmed = await session.post(`/auth/factors/${begun.id}/confirm`, { json: { code } })
  assert.equal(confirmed.status, 201)
  codes = JSON.parse(await confirmed.text()).recoveryCodes
})
after(async () => {
  await service[Symbol.asyncDispose]()
})

function bytesOf(secret: string): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = Array.from(secret, (letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0'))
  return Uint8Array.from(bits.join('').match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2))
}

/** The code of this moment (RFC 6238). */
function codeOf(seed: Uint8Array): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)))
  const digest = createHmac('sha1', seed).update(counter).digest()
  const number = digest.readUInt32BE((digest.at(-1) ?? 0) & 15) & 0x7fff_ffff
  return String(number % 1_000_000).padStart(6, '0')
}

const login = async (input: string, ...more: string[]) =>
  await runProgram(
    ['login', service.url, '--user', 'ada', '--password-stdin', '--ca', service.roots, ...more],
    { input, env },
  )

describe('login with a second factor', () => {
  it('takes the code from the second line of standard input', async () => {
    const signedIn = await login(`${PASSWORD}\n${codes[0]}\n`, '--code-stdin')
    assert.equal(signedIn.code, 0, signedIn.stderr)
    assert.match(signedIn.stdout, /^signed in to .* as ada/)
    const url = `${service.url}/auth/session`
    const who = await runProgram(['get', url, '--ca', service.roots], { env })
    assert.equal(JSON.parse(who.stdout).aal, 2, who.stderr)
    const again = await login(`${PASSWORD}\n${codes[0]}\n`, '--code-stdin')
    assert.notEqual(again.code, 0)
    assert.match(again.stderr, /the code or proof is wrong, used or too old/)
  })

  it('says how where nobody can be asked', async () => {
    const refused = await login(`${PASSWORD}\n`)
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /the service asks for a code[\s\S]*--code-stdin/)
    const short = await login(`${PASSWORD}\n`, '--code-stdin')
    assert.match(short.stderr, /there is no code on line 2/)
  })
})
