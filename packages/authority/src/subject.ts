/**
 * From the names somebody wrote to what stands in the certificate: the subject and its alternative names.
 *
 * - A server's subject is empty and its alternative names are critical: every client measured takes that (Node,
 *   Python strict, Go, Java, Chromium, Firefox), no client may fall back to a common name, and an address or a name of
 *   more than 64 characters needs no exception.
 * - A client's common name is the first name, where 64 characters hold it. A plain NAME also becomes the SPIFFE ID
 *   `spiffe://<trust domain>/NAME`; an e-mail address or URI stays what it is.
 *
 * @module
 */
import { type GeneralName, parseGeneralName, X509Error } from '@countersign/x509'
import { AuthorityError } from './errors.ts'
import type { ProfileName } from './profiles.ts'

/** Who a certificate is for. */
export interface RequestedSubject {
  readonly commonName: string | undefined
  /** One name or more, each once, in the order given. */
  readonly names: readonly GeneralName[]
}

/**
 * Reads names as people write them.
 *
 * @throws {@link AuthorityError} `names-missing`, `too-many-names`, `name-invalid`
 */
export function subjectOfTexts(
  texts: readonly string[],
  profile: ProfileName,
  trustDomain: string,
  maxNames: number,
): RequestedSubject {
  checkCount(texts.length, maxNames)
  const plain = texts.map((text) => text.trim())
  const names = plain.map((text) =>
    profile === 'client' && PLAIN_NAME.test(text)
      ? spiffeId(trustDomain, text)
      : readName(text, profile),
  )
  const [first] = names
  // Beyond ASCII two texts can look the same and one name be written in many ways: then as it is certified.
  const shown =
    first === undefined || PRINTABLE_ASCII.test(plain[0] ?? '') ? plain[0] : nameText(first)
  return { commonName: commonNameOf(profile, shown), names: unique(names) }
}

/**
 * Takes the names of a request, each read again as if somebody had written it; nothing else of it is looked at.
 *
 * @throws {@link AuthorityError} `names-missing`, `too-many-names`, `name-invalid`
 */
export function subjectOfRequest(
  names: readonly GeneralName[],
  profile: ProfileName,
  maxNames: number,
): RequestedSubject {
  checkCount(names.length, maxNames)
  const read = names.map((name) => {
    if (name.type === 'dns' || name.type === 'ip' || name.type === 'email' || name.type === 'uri') {
      refuseOtherScripts(name.value)
      const again = readName(name.value, profile)
      if (again.type === name.type) return again
    }
    throw invalid(`the request asks for a name of kind ${name.type} that cannot be certified`)
  })
  const [first] = read
  return {
    commonName: commonNameOf(profile, first === undefined ? undefined : nameText(first)),
    names: unique(read),
  }
}

/** RFC 5280 §4.2.1.6: these names are ASCII. What another program reads in the bytes beyond it, nobody knows. */
function refuseOtherScripts(text: string): void {
  if (PRINTABLE_ASCII.test(text)) return
  throw new AuthorityError(
    'name-invalid',
    'the request asks for a name with characters beyond ASCII',
    {
      refusedName: text,
      hint: 'write host names of other scripts as xn--…, which is what programs compare',
    },
  )
}

/** What a user or service is certified as: the names of a client's certificate for this name alone; none where it is no name. */
export function namesOfUser(name: string, trustDomain: string): readonly GeneralName[] {
  return PLAIN_NAME.test(name) ? [spiffeId(trustDomain, name)] : []
}

/** A name as it is written; empty for the kinds that are never issued. */
export function nameText(name: GeneralName): string {
  return 'value' in name && typeof name.value === 'string' ? name.value : ''
}

function readName(text: string, profile: ProfileName): GeneralName {
  let name: GeneralName
  try {
    name = parseGeneralName(text)
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    const { message, hint } = error
    throw new AuthorityError('name-invalid', message, { refusedName: text, hint, cause: error })
  }
  if (name.type === 'ip' && /^::ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/.test(name.value)) {
    throw invalid(`"${text}" is an IPv4 address in disguise: write it as one`, text)
  }
  if (profile !== 'client' && name.type === 'email') {
    throw invalid(`"${text}" is an e-mail address, which names no server`, text)
  }
  return name
}

function checkCount(count: number, maxNames: number): void {
  if (count === 0) {
    throw new AuthorityError('names-missing', 'a certificate needs one name or more', {
      hint: 'name the host or the user; a signing request must carry them as subject alternative names, its common name is not read',
    })
  }
  if (count > maxNames) {
    throw new AuthorityError('too-many-names', `${count} names are more than ${maxNames}`, {
      hint: 'issue several certificates, or use a wildcard',
    })
  }
}

function spiffeId(trustDomain: string, name: string): GeneralName {
  return { type: 'uri', value: `spiffe://${trustDomain}/${name}` }
}

function commonNameOf(profile: ProfileName, first: string | undefined): string | undefined {
  return profile === 'client' && first !== undefined && first.length <= 64 ? first : undefined
}

function unique(names: readonly GeneralName[]): GeneralName[] {
  return [...new Map(names.map((name) => [`${name.type} ${nameText(name)}`, name])).values()]
}

function invalid(message: string, name?: string): AuthorityError {
  return new AuthorityError('name-invalid', message, {
    refusedName: name,
    hint: 'names are host names, IP addresses, e-mail addresses or URIs; a user is letters, digits, "-", "_" and "."',
  })
}

/** One path segment of a SPIFFE ID (SPIFFE-ID §2.2), which also fits a common name; "." and ".." are no segments. */
const PLAIN_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}$/
const PRINTABLE_ASCII = /^[ -~]*$/
