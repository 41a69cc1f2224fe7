/**
 * Where `verifyChain` and x509-limbo differ on purpose: the case, and why.
 *
 * @module
 */

/** By the identifier of the case. */
export const LIMBO_DIFFERENCES: ReadonlyMap<string, string> = new Map([
  [
    'pathlen::validation-ignores-pathlen-in-leaf',
    'The leaf is an authority whose key usage is keyCertSign alone; no TLS handshake may be signed with such a key (RFC 8446 §4.4.2.2).',
  ],
  [
    'rfc5280::ca-as-leaf',
    'The leaf is an authority whose key usage is keyCertSign alone; no TLS handshake may be signed with such a key (webpki::ca-as-leaf wants the same refused).',
  ],
  [
    'webpki::nc::permitted-dns-match-noncritical',
    'RFC 5280 §4.2.1.10 wants the extension critical, and rfc5280::nc::permitted-dns-match-noncritical, the same chain, wants it refused: one of the two must differ.',
  ],
  [
    'rfc5280::aki::cross-signed-root-missing-aki',
    'The certificate without the identifier is itself the trust anchor, above which nothing is looked for; cve::cve-2024-0567 wants such an anchor accepted.',
  ],
  [
    'webpki::cn::not-in-san',
    'A common name that is merely not among the names is read by nobody here; other cases of the suite with just such a common name are to be accepted.',
  ],
  [
    'webpki::eku::ee-critical-eku',
    'RFC 5280 §4.2.1.12 leaves it to the issuer whether the extension is critical; only the rules of public authorities forbid it.',
  ],
  [
    'webpki::eku::ee-without-eku',
    'RFC 5280 allows a leaf without the extension, rfc5280::eku::ee-without-eku wants the same chain accepted, and every measured client accepts it.',
  ],
  [
    'webpki::san::public-suffix-multi-label-wildcard-san',
    'Private names have no public suffix list; a wildcard needs two labels behind it and no more is known.',
  ],
  [
    'webpki::san::public-suffix-private-namespace-wildcard-san',
    'Private names have no public suffix list; a wildcard needs two labels behind it and no more is known.',
  ],
])
