/**
 * Issues, revokes and asks for lists, four at a time, until it is killed. What to do next is drawn from a seed. Prints a line for
 * everything that was answered: `issued SERIAL`, `revoked SERIAL`, `list CA NUMBER SHA-256 ENTRIES`.
 */
import { createHash } from 'node:crypto'
import { openAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { CertificateRevocationList, PrivateKey } from '@countersign/x509'
import { randomFrom } from '../random.ts'

const [url = '', folder = '', seed = '0'] = process.argv.slice(2)
const random = randomFrom(Number(seed))
await using store = await openStore(url)
const authority = await openAuthority({ store, folder })
const { publicKey } = PrivateKey.generateSync('p256')
const request = {
  names: ['api.corp.internal'],
  publicKey,
  profile: 'server',
  requester: 'child',
} as const
const mine: string[] = []

await Promise.all([1, 2, 3, 4].map(async () => work()))

async function work(): Promise<void> {
  for (;;) {
    const drawn = random()
    if (drawn < 0.4) answered([await authority.issue(request)])
    else if (drawn < 0.5) answered(await authority.issueMany([request, request, request]))
    else if (drawn < 0.75) await revokeOne()
    else await askForLists()
  }
}

function answered(issued: readonly { serialNumber: string }[]): void {
  for (const { serialNumber } of issued) {
    mine.push(serialNumber)
    process.stdout.write(`issued ${serialNumber}\n`)
  }
}

async function revokeOne(): Promise<void> {
  const serial = mine[Math.floor(random() * mine.length)]
  if (serial === undefined) return
  await authority.revoke(serial, 'superseded')
  process.stdout.write(`revoked ${serial}\n`)
}

async function askForLists(): Promise<void> {
  for (const { ca, number, der } of await authority.crl()) {
    const digest = createHash('sha256').update(der).digest('hex')
    const { size } = CertificateRevocationList.parse(der)
    process.stdout.write(`list ${ca} ${number} ${digest} ${size}\n`)
  }
}
