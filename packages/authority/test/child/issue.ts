/** Issues certificates, eight at a time and now and then many at once, until it is killed; prints each serial that was answered. */
import { openAuthority } from '@countersign/authority'
import { openStore } from '@countersign/store'
import { PrivateKey } from '@countersign/x509'

const [url = '', folder = ''] = process.argv.slice(2)
await using store = await openStore(url)
const authority = await openAuthority({ store, folder })
const { publicKey } = PrivateKey.generateSync('p256')
const request = {
  names: ['api.corp.internal'],
  publicKey,
  profile: 'server',
  requester: 'child',
} as const

await Promise.all(
  Array.from({ length: 8 }, async (_, index) => {
    for (;;) {
      const issued =
        index === 0
          ? await authority.issueMany(Array.from({ length: 10 }, () => request))
          : [await authority.issue(request)]
      for (const { serialNumber } of issued) process.stdout.write(`${serialNumber}\n`)
      if (index === 1) await authority.revoke(issued[0]?.serialNumber ?? '', 'superseded')
    }
  }),
)
