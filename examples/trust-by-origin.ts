/**
 * Two internal sites of two owners: whom to trust where, a pin for what has no authority, a bundle that is replaced while
 * calls go on, and what the refusal of a changed server says.
 *
 * Run: node examples/trust-by-origin.ts
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pinsOf, Session, TrustError } from '@countersign/client'
import { serve } from '@countersign/server'

const folder = mkdtempSync(path.join(tmpdir(), 'origins-'))
const bundle = path.join(folder, 'roots.pem')

await using wiki = await serve(() => new Response('wiki\n'), { adhoc: true })
await using printer = await serve(() => new Response('printer\n'), { adhoc: true })
writeFileSync(bundle, wiki.adhocRoots ?? '')

// What the printer is known by; its owner reads it out: the only certificate that is asked for without being trusted.
await using first = new Session({ ca: printer.adhocRoots })
const { certificate } = (await first.get(printer.url)).peer
if (certificate === undefined) throw new Error('the printer showed no certificate')

await using session = new Session({
  origins: {
    [wiki.url]: { ca: bundle },
    [printer.url]: { pin: pinsOf(certificate).key },
  },
})
for (const { url } of [wiki, printer]) {
  const response = await session.get(url)
  console.log((await response.text()).trim(), response.peer.verified, response.peer.group)
}
console.log(session.describeTrust(printer.url).trace)

// The bundle is replaced by one that does not know the wiki: that holds with the next call, whatever connection is open.
writeFileSync(`${bundle}.new`, printer.adhocRoots ?? '')
renameSync(`${bundle}.new`, bundle)
try {
  await session.get(wiki.url)
} catch (error) {
  if (!(error instanceof TrustError)) throw error
  const { explanation } = error
  console.log(`${error.code}: ${explanation.message}`)
}

rmSync(folder, { recursive: true })
