/**
 * The warning of `verify: false`: once for every origin, with the way out of it.
 *
 * @module
 */

/**
 * Warns that an origin is not verified; the second and later calls for an origin are silent.
 *
 * It is a process warning of type `CountersignInsecure`, so `process.on('warning')` sees it.
 */
export function warnInsecure(origin: string): void {
  if (warned.has(origin)) return
  warned.add(origin)
  process.emitWarning(
    `connections to ${origin} are not verified: anybody between can read and change them. ` +
      `Pass the certificate or its root as verify: '/path/to/roots.pem' instead of verify: false; ` +
      `"countersign show ${origin}" prints what the server presents`,
    { type: 'CountersignInsecure' },
  )
}

const warned = new Set<string>()
