/**
 * The rooms of one process of the service: sign-in, authority and ACME on one store, brought together.
 *
 * @module
 */
import { type Auth, createAuth } from '@countersign/auth'
import {
  type Acme,
  type Authority,
  createAcme,
  type InitAuthorityOptions,
} from '@countersign/authority'
import type { Clock } from '@countersign/core'
import type { Store } from '@countersign/store'
import { certifying, renewalsWatchedBy, revocationsHeardBy } from '../certificate-owners.ts'
import type { DataFolder } from '../data-folder.ts'
import { readPasswordList } from '../password-list.ts'
import { type AcmeSettings, acmeOptions } from './acme-settings.ts'
import { authorizeWith } from './authorize.ts'
import { reportAcmeFaults, reportAuthorityFaults, type reportFaults } from './faults.ts'
import { proxiedTrust } from './proxied-trust.ts'
import { openSigner } from '../signer/remote-signer.ts'
import type { SharedFacts } from './shared-facts.ts'
import { tellUsers } from './tell-users.ts'

/** What they are opened with. */
export interface RoomsParts {
  /** Stays the caller's to close. */
  readonly store: Store
  readonly data: DataFolder
  readonly facts: SharedFacts
  readonly acme: AcmeSettings
  /** Opens the authority, or makes it as well. */
  readonly open: (options: InitAuthorityOptions) => Promise<Authority>
  /** Where clients reach it by plain HTTP. @defaultValue what the database has */
  readonly publicUrl?: string | undefined
  readonly faults: ReturnType<typeof reportFaults>
  /** A remark for the operator. */
  readonly note: (text: string) => void
  readonly clock: Clock
}

/** Sign-in, authority and ACME, open. */
export interface OpenRooms extends AsyncDisposable {
  readonly auth: Auth
  readonly authority: Authority
  readonly acme: Acme
}

/** Opens them. @throws errors of the rooms */
export async function openRooms(parts: RoomsParts): Promise<OpenRooms> {
  const { store, data, facts, publicUrl, faults, note, clock } = parts
  const { clientAddressFrom, clientCertFrom, host, issuer, hashing, requireSecondFactor } = facts
  const told = tellUsers(facts.tellUsers, note)
  await using undo = new AsyncDisposableStack()
  const auth = undo.use(
    await createAuth({
      store,
      clock,
      host,
      hashing,
      issuer,
      requireSecondFactor,
      passwords: { isListed: readPasswordList(facts.refusedPasswords, data.path) },
      tokens: { boundOnly: facts.boundTokensOnly },
      keys: { path: data.authKeys },
      certificateAuthority: certifying(() => authority),
      clientCertFrom:
        clientCertFrom === undefined
          ? undefined
          : {
              proxies: clientCertFrom,
              addressFrom: clientAddressFrom,
              trust: proxiedTrust(() => authority),
            },
      onEvent: (event) => {
        faults(event)
        told(event)
      },
    }),
  )
  const signer = undo.use(await openSigner(data))
  const authority = await parts.open({
    store,
    folder: data.path,
    passphrase: facts.passphrase,
    remoteSigner: signer?.remoteSigner,
    policy: { rules: facts.rules },
    publicUrl,
    authorize: authorizeWith(auth),
    renewals: renewalsWatchedBy(auth),
    onRevoked: revocationsHeardBy(auth),
    onFault: reportAuthorityFaults(note),
    audit: { actor: 'the service' },
    clock,
  })
  const acme = undo.use(
    await createAcme({
      ...acmeOptions(parts.acme, host),
      store,
      authority,
      folder: data.path,
      onFault: reportAcmeFaults(note),
      audit: true,
      clock,
    }),
  )
  const owned = undo.move()
  return { auth, authority, acme, [Symbol.asyncDispose]: async () => owned.disposeAsync() }
}
