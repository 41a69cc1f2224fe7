/**
 * Whether a client's certificate counts: judged here, with `verifyChain` and our own index of revoked serial numbers, against what
 * one site trusts.
 *
 * OpenSSL has built a path as well, during the handshake, and is asked too: nobody gets in whom it refused. It saw the
 * intermediates that the client sent, which Node 24 shows to no server. So a path that cannot be found here is believed from
 * OpenSSL, unless lists are to be checked: who issued the certificate must then be known, from `ca` or from the server's own chain.
 *
 * @module
 */
import type { X509Certificate } from 'node:crypto'
import type { TlsContext } from '@countersign/tls'
import { NOT_PERMITTED } from './certificate-rule.ts'
import { Certificate, type ReasonCode, verifyChain, X509Error } from '@countersign/x509'
import { type Refusal, validityRefusal } from './refusal.ts'
import type { RevocationIndex } from './revocation-index.ts'

/** What is known of a certificate without the client's intermediates. */
export type Opinion =
  /** Its path was found, and holds until then (milliseconds). */
  | { readonly kind: 'good'; readonly until: number }
  | { readonly kind: 'bad'; readonly until: number; readonly refusal: Refusal }
  /** No path leads from it to what is trusted; the refusal holds unless somebody saw one. */
  | { readonly kind: 'unseen'; readonly until: number; readonly refusal: Refusal }

/** What OpenSSL found. */
export interface HandshakeWord {
  /** Its own refusal, or `undefined` where it verified the certificate. */
  readonly refusal: Refusal | undefined
  /** The certificate with whatever Node shows above it. */
  readonly presented: X509Certificate | undefined
}

/** Until when (milliseconds) a certificate counts, or why it does not. */
export type Judgement = number | Refusal

/** How certificates are judged. */
export interface JudgeOptions {
  readonly context: TlsContext
  /** `undefined` where nobody asks for revocation. */
  readonly revocation: RevocationIndex | undefined
  /** OpenSSL holds the lists too, and has checked the whole path by them. */
  readonly listsInHandshake: boolean
  /** Which certificates that count may come in; `undefined` for all of them. */
  readonly permits: ((certificate: Certificate) => boolean) | undefined
}

/** Judges by one set of terms; remembers what it found. */
export class ClientJudge {
  readonly #context: TlsContext
  readonly #revocation: RevocationIndex | undefined
  readonly #listsInHandshake: boolean
  readonly #permits: JudgeOptions['permits']
  /** The authority that issued the clients has often issued the server as well. */
  readonly #known: readonly Certificate[]
  readonly #opinions = new WeakMap<Certificate, Opinion>()
  readonly #covers = new WeakMap<TlsContext, boolean>()

  constructor({ context, revocation, listsInHandshake, permits }: JudgeOptions) {
    this.#context = context
    this.#revocation = revocation
    this.#listsInHandshake = listsInHandshake
    this.#permits = permits
    this.#known = context.chain.slice(1)
  }

  /** A certificate whose handshake has just been done, or whose session has been resumed. */
  admit(certificate: Certificate, word: HandshakeWord, now: number): Judgement {
    return this.#permitted(certificate, this.#counts(certificate, word, now))
  }

  #counts(certificate: Certificate, word: HandshakeWord, now: number): Judgement {
    let opinion = this.#opinion(certificate, now)
    if (opinion.kind === 'unseen' && word.refusal === undefined) {
      const above = certificatesAbove(word.presented)
      if (above.length > 0) opinion = this.#form(certificate, now, above)
    }
    if (opinion.kind === 'bad') return opinion.refusal
    if (word.refusal !== undefined) {
      return opinion.kind === 'good'
        ? word.refusal
        : { ...opinion.refusal, code: word.refusal.code }
    }
    if (opinion.kind === 'good') return opinion.until
    if (this.#revocation === undefined || this.#listsInHandshake) return opinion.until
    return {
      code: 'missing-intermediate',
      message: `nobody can tell whether the client certificate is revoked: this server does not hold the certificate of its issuer, ${issuerOf(certificate)}`,
      hint: 'the operator of the server adds the certificate of that authority to ca',
    }
  }

  /**
   * A certificate on a live connection, when what is trusted has changed or its time is up.
   *
   * @param before - what it was admitted under
   * @returns `undefined` where only a new handshake can tell
   */
  again(certificate: Certificate, before: TlsContext, now: number): Judgement | undefined {
    if (this.#context.clientCertificates === 'none') return undefined
    const opinion = this.#opinion(certificate, now)
    if (opinion.kind === 'good') return this.#permitted(certificate, opinion.until)
    if (opinion.kind === 'bad') return opinion.refusal
    const listed = this.#revocation !== undefined && before !== this.#context
    // Verified under anchors that are all still trusted, whatever stood between.
    return this.#coversAll(before) && !listed
      ? this.#permitted(certificate, opinion.until)
      : undefined
  }

  /** Whoever is refused for another reason hears that one. */
  #permitted(certificate: Certificate, judgement: Judgement): Judgement {
    if (typeof judgement !== 'number' || this.#permits === undefined) return judgement
    return this.#permits(certificate) ? judgement : NOT_PERMITTED
  }

  /** Whether everything an older context trusted is still trusted: looked at once for each. */
  #coversAll(before: TlsContext): boolean {
    if (before === this.#context || before.trust.sha256 === this.#context.trust.sha256) return true
    let covers = this.#covers.get(before)
    if (covers === undefined) {
      const { trust } = this.#context
      covers = before.trust.certificates.every(({ fingerprint }) => trust.has(fingerprint))
      this.#covers.set(before, covers)
    }
    return covers
  }

  #opinion(certificate: Certificate, now: number): Opinion {
    const known = this.#opinions.get(certificate)
    if (known !== undefined && now < known.until) return known
    return this.#form(certificate, now, [])
  }

  #form(certificate: Certificate, now: number, above: readonly Certificate[]): Opinion {
    const opinion = this.#judge(certificate, now, above)
    this.#opinions.set(certificate, opinion)
    return opinion
  }

  #judge(certificate: Certificate, now: number, above: readonly Certificate[]): Opinion {
    const time = new Date(now)
    const lapsed = validityRefusal(certificate, time)
    if (lapsed !== undefined) return { kind: 'bad', until: now + BAD_MS, refusal: lapsed }
    const options = {
      leaf: certificate,
      intermediates: [...this.#known, ...above],
      roots: this.#context.trust.anchors,
      purpose: 'client',
      time,
    } as const
    let verdict = verifyChain(options)
    if (!verdict.ok && verdict.code === 'rejected-by-policy') {
      // The form alone is at fault: a certificate of version 1, say, as many recipes make it. Node takes it, and so do we.
      verdict = verifyChain({ ...options, profile: 'openssl' })
    }
    if (verdict.ok) return this.#judgePath(verdict.chain, now)
    const refusal = { code: verdict.code, message: `the client certificate: ${verdict.message}` }
    if (!DEAD_ENDS.has(verdict.code)) {
      const hint = HINTS.get(verdict.code) ?? 'present a certificate that this server accepts'
      return { kind: 'bad', until: now + BAD_MS, refusal: { ...refusal, hint } }
    }
    return {
      kind: 'unseen',
      until: Math.min(certificate.notAfter.getTime() + 1000, now + UNSEEN_MS),
      refusal: {
        code: verdict.code,
        message: `the client certificate is signed by ${issuerOf(certificate)}, which is no authority that this server accepts`,
        hint: 'present a certificate of an accepted authority, together with its intermediates',
      },
    }
  }

  #judgePath(path: readonly Certificate[], now: number): Opinion {
    // The last second is valid to its end, as `isValidAt` has it.
    const ends = Math.min(...path.map(({ notAfter }) => notAfter.getTime() + 1000))
    const answer = this.#revocation?.check(path, now) ?? ends
    if (typeof answer === 'number') return { kind: 'good', until: Math.min(ends, answer) }
    const until = answer.code === 'revoked' ? Number.POSITIVE_INFINITY : now + BAD_MS
    return { kind: 'bad', until, refusal: answer }
  }
}

/** What Node shows of the chain; nothing on Node 24, the client's intermediates from 26.10. */
function certificatesAbove(presented: X509Certificate | undefined): Certificate[] {
  const above: Certificate[] = []
  let next = presented?.issuerCertificate
  while (next !== undefined && above.length < LONGEST_CHAIN) {
    try {
      above.push(Certificate.parse(new Uint8Array(next.raw), 'client chain'))
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      break
    }
    next = next.issuerCertificate
  }
  return above
}

function issuerOf({ issuer }: Certificate): string {
  const text = issuer.toString()
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

/** Faults that mean: what stands between was not there to be looked at. */
const DEAD_ENDS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  'missing-intermediate',
  'untrusted-root',
  'untrusted-root-sent',
  'self-signed',
  'key-mismatch',
  'bad-signature',
  // Left by the profile that follows Node: a root of our own that is not self-signed, a form it does not take.
  'rejected-by-policy',
])

const HINTS: ReadonlyMap<ReasonCode, string> = new Map<ReasonCode, string>([
  ['wrong-purpose', 'present a certificate with extended key usage clientAuth'],
  ['expired', 'the authority of the client has ended: it issues again under a new one'],
  [
    'weak-crypto',
    'issue it again: RSA of 2048 bits or more or P-256, signed with SHA-256 or better',
  ],
])

/** A refused certificate may become good: its first second comes, or a list is not missing any more. */
const BAD_MS = 1000
/** Without a path there is nothing else that could run out. */
const UNSEEN_MS = 3_600_000
const LONGEST_CHAIN = 10
