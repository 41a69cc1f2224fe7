/**
 * The second step of a sign-in from the command line: the service has the password and asks for a code.
 *
 * @module
 */
import { ProgramError } from './errors.ts'
import { askText } from './secrets.ts'

/** What the service wants next. */
export interface SecondStep {
  challenge: string
  methods: readonly string[]
}

/** Reads a refusal that is none yet: 401 `mfa-required`; `undefined` for every other. */
export function readSecondStep(body: string): SecondStep | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (!('code' in value) || value.code !== 'mfa-required') return undefined
  if (!('challenge' in value) || typeof value.challenge !== 'string') return undefined
  const methods: unknown = 'methods' in value ? value.methods : undefined
  return {
    challenge: value.challenge,
    methods: Array.isArray(methods) ? methods.map(String) : [],
  }
}

/**
 * The body of the second step: a code of an app, or a recovery code, told apart by its length.
 *
 * @param given - from standard input; asked for at a terminal where it is left out
 * @throws {@link ProgramError} `usage` where nobody can be asked, `refused` where only a passkey is accepted
 */
export async function secondStepBody(
  { challenge, methods }: SecondStep,
  given: string | undefined,
): Promise<Record<string, string>> {
  if (!methods.includes('totp') && !methods.includes('recovery')) {
    throw new ProgramError('refused', 'the service asks for a passkey, which only a browser has', {
      hint: 'sign in with a certificate instead: countersign user cert NAME, then --cert and --key',
    })
  }
  const code = given ?? (await ask())
  const digits = code.replaceAll(/[\s-]/g, '')
  return /^\d{6}$/.test(digits) ? { challenge, totp: digits } : { challenge, recovery: code }
}

async function ask(): Promise<string> {
  if (process.stdin.isTTY) return await askText('Code of the app, or a recovery code')
  throw new ProgramError(
    'usage',
    'the service asks for a code, and standard input is no terminal',
    {
      hint: 'printf "%s\\n%s\\n" "$PASSWORD" "$CODE" | countersign login URL --user NAME --password-stdin --code-stdin',
    },
  )
}
