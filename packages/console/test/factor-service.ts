/**
 * The part of the service in memory that knows factors: it says what the real one says, and verifies nothing.
 *
 * Not here: whether page and service understand each other, which `packages/countersign/test/console.test.ts` asks the real one.
 */
import {
  type Answer,
  begin,
  type Call,
  refuse,
  signedIn,
  type WireFactor,
} from './service-parts.ts'

/** The code of every app, and the one recovery code. */
export const APP_CODE = '123456'
export const RECOVERY_CODE = 'AAAAA-BBBBB-CCCCC-DDDDD-EEEE1'
/** The secret that every app is given. */
export const APP_SECRET = 'JBSWY3DPEHPK3PXP'

/** An app and recovery codes, as they are listed. */
export const APP: WireFactor = {
  id: 'APP1',
  type: 'totp',
  label: 'telephone',
  created: '2026-01-02T03:04:05Z',
  lastUsed: '2026-05-06T07:08:09Z',
  expires: null,
}
export const CODES: WireFactor = { id: 'recovery', type: 'recovery', remaining: 9 }

/** 401 `mfa-required` where there is a second factor. */
export function askSecondFactor(call: Call): Answer | undefined {
  const methods = methodsOf(call)
  if (methods.length === 0) return undefined
  const challenge = 'the-challenge'
  const facts = {
    challenge,
    methods,
    ...(methods.includes('webauthn') ? { webauthn: PROOF_OPTIONS } : {}),
  }
  const hint = 'send it together with the challenge: POST /login/mfa'
  return refuse(401, 'mfa-required', 'a second factor is needed', hint, facts)
}

/** The routes, by method and path. */
export const FACTOR_ROUTES: ReadonlyMap<string, (call: Call) => Answer> = new Map([
  [
    'POST /login/mfa',
    (call: Call) => {
      const { body } = call
      if (body['challenge'] !== 'the-challenge') {
        return refuse(401, 'challenge-invalid', 'this sign-in is done, or too old')
      }
      return isProof(body) ? begin(call) : WRONG_CODE
    },
  ],
  ['POST /login/passkey/options', () => ({ json: { publicKey: PROOF_OPTIONS } })],
  [
    'POST /login/passkey',
    (call: Call) => (isPasskey(call.body['response']) ? begin(call) : WRONG_CODE),
  ],
  [
    'POST /auth/reset/confirm',
    ({ state, body }: Call) => {
      if (String(body['new']).length < 15) {
        const facts = { reasons: ['too-short', 'common'] }
        return refuse(422, 'weak-password', 'the new password is not good enough', undefined, facts)
      }
      if (state.resetCode === undefined || body['token'] !== state.resetCode) {
        return refuse(
          400,
          'invalid-token',
          'the code is wrong, used or too old',
          'ask for a new one: an administrator makes it',
        )
      }
      state.resetCode = undefined
      state.users.set('alice', String(body['new']))
      return { status: 204 }
    },
  ],
  ['POST /auth/reset', () => ({ status: 202 })],
  [
    'POST /auth/password',
    (call: Call) =>
      signedIn(call, () => {
        const { state, body } = call
        if (body['current'] !== state.users.get('alice')) {
          return refuse(401, 'invalid-credentials', 'user name or password is wrong')
        }
        state.users.set('alice', String(body['new']))
        return { status: 204 }
      }),
  ],
  [
    'POST /auth/step-up/options',
    (call: Call) => signedIn(call, () => ({ json: { publicKey: PROOF_OPTIONS } })),
  ],
  [
    'POST /auth/step-up',
    (call: Call) =>
      signedIn(call, () => {
        const { state, body } = call
        const isPassword = body['password'] === state.users.get('alice')
        if ('password' in body && !isPassword) {
          return refuse(401, 'invalid-credentials', 'user name or password is wrong')
        }
        if (!isPassword && !isProof(body)) return WRONG_CODE
        state.isFresh = true
        state.wantsSecondFactor &&= isPassword
        return { json: {} }
      }),
  ],
  ['GET /auth/factors', (call: Call) => signedIn(call, () => ({ json: call.state.factors }))],
  ['POST /auth/factors', (call: Call) => change(call, () => add(call))],
  [
    'POST /auth/factors/:id/confirm',
    (call: Call) =>
      change(call, () =>
        call.body['code'] === APP_CODE
          ? added(call, 'totp', 'authenticator app', true)
          : WRONG_CODE,
      ),
  ],
  [
    'DELETE /auth/factors/:id',
    (call: Call) =>
      change(call, () => {
        const { state, url } = call
        const id = url.pathname.split('/').at(-1)
        const index = state.factors.findIndex((factor) => factor.id === id)
        if (index === -1) return refuse(404, 'factor-unknown', 'you have no such factor')
        state.factors.splice(index, 1)
        return { status: 204 }
      }),
  ],
])

function add(call: Call): Answer {
  const { body } = call
  const label = String(body['label'])
  if (body['type'] === 'recovery') {
    return { status: 201, json: { type: 'recovery', codes: codesOf('NEW') } }
  }
  if (body['type'] === 'totp') {
    const uri = `otpauth://totp/countersign:alice?secret=${APP_SECRET}`
    return { status: 201, json: { id: 'APP', type: 'totp', secret: APP_SECRET, uri } }
  }
  if (body['type'] === 'client_cert') {
    if (!String(body['csr']).includes('BEGIN CERTIFICATE REQUEST')) {
      return refuse(422, 'invalid-csr', 'that is no signing request of the key in it', undefined, {
        reason: 'the signing request has no PEM block',
      })
    }
    return added(call, 'client_cert', label, false, { chain: CHAIN })
  }
  if (body['type'] === 'jwk') return added(call, 'jwk', label, false)
  if (body['response'] === undefined) {
    return { status: 201, json: { type: 'passkey', publicKey: CREATION_OPTIONS } }
  }
  return isPasskey(body['response']) ? added(call, 'passkey', label, true) : WRONG_CODE
}

function added(
  { state }: Call,
  type: string,
  label: string,
  isSecond: boolean,
  more: Record<string, unknown> = {},
): Answer {
  const created = new Date().toISOString()
  const factor = { id: `F${state.factors.length}`, type, label, created, lastUsed: null }
  const isFirst = isSecond && !state.factors.some((each) => each.type === 'recovery')
  state.factors.unshift(factor)
  if (isFirst) state.factors.push({ id: 'recovery', type: 'recovery', remaining: 10 })
  const recoveryCodes = isFirst ? { recoveryCodes: codesOf('FIRST') } : {}
  return { status: 201, json: { ...factor, ...recoveryCodes, ...more } }
}

function change(call: Call, then: () => Answer): Answer {
  return signedIn(call, () =>
    call.state.isFresh
      ? then()
      : refuse(
          401,
          'step-up-required',
          'this needs a fresh proof of who you are',
          'prove it, then repeat the request: POST /auth/step-up',
        ),
  )
}

function methodsOf({ state }: Call): string[] {
  const types = new Set(state.factors.map(({ type }) => type))
  if (!types.has('totp') && !types.has('passkey')) return []
  return [
    ...(types.has('totp') ? ['totp'] : []),
    ...(types.has('recovery') ? ['recovery'] : []),
    ...(types.has('passkey') ? ['webauthn'] : []),
  ]
}

function isProof(body: Record<string, unknown>): boolean {
  return (
    body['totp'] === APP_CODE || body['recovery'] === RECOVERY_CODE || isPasskey(body['webauthn'])
  )
}

/** Every member that the real service reads. */
function isPasskey(value: unknown): boolean {
  const text = JSON.stringify(value ?? {})
  return text.includes('"clientDataJSON":"') && text.includes('"rawId":"')
}

function codesOf(name: string): string[] {
  return Array.from({ length: 10 }, (_, index) => `${name}-CODE-${index}-XXXXX-XXXXX`)
}

const WRONG_CODE = refuse(401, 'invalid-code', 'the code or proof is wrong, used or too old')
const CHAIN = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const CHALLENGE = 'AAECAwQFBgcICQoLDA0ODw'
const PROOF_OPTIONS = { rpId: 'localhost', challenge: CHALLENGE, userVerification: 'required' }
const CREATION_OPTIONS = {
  rp: { id: 'localhost', name: 'countersign' },
  user: { id: 'MDE', name: 'alice', displayName: '' },
  challenge: CHALLENGE,
  pubKeyCredParams: [{ alg: -7, type: 'public-key' }],
  excludeCredentials: [],
}
