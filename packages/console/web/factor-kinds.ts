/**
 * The kinds of factors in words.
 *
 * @module
 */

/** What a kind is called; one that is younger than this page by its own name. */
export function kindWord(type: string): string {
  return WORDS.get(type) ?? type
}

/** Whether somebody with such a factor is asked for more than the password. */
export function isSecondFactor(type: string): boolean {
  return type === 'totp' || type === 'passkey'
}

const WORDS = new Map([
  ['totp', 'Authenticator app'],
  ['passkey', 'Passkey'],
  ['jwk', 'Public key'],
  ['client_cert', 'Client certificate'],
  ['recovery', 'Recovery codes'],
])
