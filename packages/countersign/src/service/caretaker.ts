/**
 * The process that looks after a service, whoever serves: the one process, or the first of several. It makes what is missing, does what
 * has to be done once for all, and holds the folder.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import type { Auth } from '@countersign/auth'
import { type AuthorityEvents, createAuthority, openAuthorityEvents } from '@countersign/authority'
import { systemClock } from '@countersign/core'
import { openStore, type Store, StoreError } from '@countersign/store'
import { adoptEvents } from '../authority-events.ts'
import { updateConfiguration } from '../configuration.ts'
import type { DataFolder } from '../data-folder.ts'
import { openDataStore, openExistingStore } from '../open-data.ts'
import { reportFaults } from './faults.ts'
import type { ServiceLock } from './lock.ts'
import { type OpenRooms, openRooms } from './open-rooms.ts'
import {
  addressesOf,
  certifiedNames,
  type ServiceOptions,
  type ServiceSettings,
  urlHost,
} from './settings.ts'
import type { SharedFacts } from './shared-facts.ts'
import { every } from './timer.ts'
import { Upkeep } from './upkeep.ts'

/** See the module. */
export interface Caretaker extends OpenRooms {
  readonly store: Store
  readonly upkeep: Upkeep
  /** For the other processes of the service. */
  readonly facts: SharedFacts
  readonly url: string
  /** True where this start made the authority. */
  readonly firstRun: boolean
  /** Begins to look after it, once it is served, and says where. */
  begin(): Promise<Care>
}

/** The work that repeats; disposing of it stops that, and waits for what is under way. */
interface Care extends AsyncDisposable {
  /** One-time code that makes the first administrator; `undefined` where there is one already. */
  readonly setupCode: string | undefined
}

/** What a caretaker begins with. */
export interface CaretakerParts {
  readonly options: ServiceOptions
  readonly settings: ServiceSettings
  readonly lock: ServiceLock
  /** Where the service listens. */
  readonly port: number
  readonly hashing?: SharedFacts['hashing']
}

/**
 * Opens the database, makes or opens the authority, and makes the service's certificate where it has to be made.
 *
 * @throws ProgramError `name-not-permitted`, `database-missing`; errors of the rooms
 */
export async function openCaretaker(parts: CaretakerParts): Promise<Caretaker> {
  const { options, settings, lock, port, hashing } = parts
  const { data, note, clock = systemClock, acme = {} } = options
  const { host, configuration, passphrase } = settings
  await using undo = new AsyncDisposableStack()
  const firstRun = !existsSync(data.roots)
  const store = undo.use(await openServiceStore(data, options.database, firstRun))
  const { issuer, publicUrl } = addressesOf(settings, port)
  const facts: SharedFacts = {
    // With its password, which the store's own does not show.
    database: options.database ?? configuration.database ?? `sqlite:${data.database}`,
    passphrase,
    rules: configuration.rules,
    clientCertFrom: configuration.clientCertFrom,
    clientAddressFrom: configuration.clientAddressFrom,
    requireSecondFactor: options.requireSecondFactor ?? configuration.requireSecondFactor,
    refusedPasswords: configuration.refusedPasswords,
    tellUsers: configuration.tellUsers,
    boundTokensOnly: configuration.boundTokensOnly,
    host,
    issuer,
    hashing,
  }
  const faults = reportFaults(note)
  const rooms = undo.use(
    await openRooms({
      store,
      data,
      facts,
      acme,
      open: createAuthority,
      publicUrl,
      faults,
      note,
      clock,
    }),
  )
  const { auth, authority } = rooms
  const events = await openAuthorityEvents(store)
  const names = certifiedNames(settings, authority)
  const asksUsers = options.userCertificates ?? true
  const upkeep = await Upkeep.begin({ authority, data, names, asksUsers, faults, note, clock })
  const url = `https://${urlHost(host, names)}:${port}`
  const owned = undo.move()
  return {
    ...rooms,
    store,
    upkeep,
    facts,
    url,
    firstRun,
    begin: async () => {
      await using started = new AsyncDisposableStack()
      started.use(every(options.renewalCheckMs ?? 1000, upkeep.look, note))
      started.use(every(600_000, async () => auth.sweep(), note))
      started.use(every(1000, async () => keepLog(auth, events), note))
      started.use(every(60_000, async () => rooms.acme.sweep(), note))
      started.use(every(5000, async () => rooms.acme.resume(), note))
      await lock.announce(url)
      const setupCode = (await auth.needsSetup()) ? await auth.createSetupCode() : undefined
      const timers = started.move()
      return { setupCode, [Symbol.asyncDispose]: async () => timers.disposeAsync() }
    },
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  }
}

/** While the database is away, events wait where they are, and that it is away is told by others. */
async function keepLog(auth: Auth, events: AuthorityEvents): Promise<void> {
  try {
    await adoptEvents(auth, events)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
}

/** Opens the database; a new address is kept for later starts once it has answered. */
async function openServiceStore(
  data: DataFolder,
  database: string | undefined,
  firstRun: boolean,
): Promise<Store> {
  if (database === undefined) {
    return firstRun ? await openDataStore(data) : await openExistingStore(data)
  }
  const store = await openStore(database)
  try {
    await store.ping()
    await updateConfiguration(data, { database })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}
