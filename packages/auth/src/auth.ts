/**
 * Everything about who is calling, wired to one store.
 *
 * @module
 */
import type { Hono, MiddlewareHandler } from 'hono'
import { Authenticator } from './authenticator.ts'
import type { AuthContext } from './context.ts'
import {
  type AuthEnv,
  type Decide,
  type GuardedHandler,
  type GuardOptions,
  guardHandler,
  guardRoute,
} from './guard.ts'
import { HashGate } from './hash-gate.ts'
import { type AuthOptions, readOptions } from './options.ts'
import { PasswordHasher } from './password-hasher.ts'
import { PasswordPolicy } from './password-policy.ts'
import type { AuthPeer } from './peer.ts'
import { Refusal, Refusals } from './problems.ts'
import { authRoutes } from './routes.ts'
import { MIGRATIONS } from './schema.ts'
import { Sessions } from './sessions.ts'
import type { SessionInfo } from './session-types.ts'
import { Setup } from './setup.ts'
import { SignIn } from './sign-in.ts'
import { sweepExpired } from './sweep.ts'
import { Throttle } from './throttle.ts'
import { type NewUser, type User, Users } from './users.ts'

/** Users and sign-in of one service. */
export interface Auth {
  /** The routes under `/login` and `/auth`, as a Hono app to be mounted at the root. */
  readonly routes: Hono<AuthEnv>
  readonly users: AuthUsers
  readonly sessions: AuthSessions

  /**
   * Who sends a request.
   *
   * @param peer - the connection it came over; never from a header
   * @returns the caller, or the refusal to answer with; when the store is away that is a 503, never a caller
   */
  authenticate(request: Request, peer: AuthPeer): Promise<AuthContext | Refusal>

  /** Hono middleware that lets only those pass who may; the route finds `c.get('auth')`. */
  guard(options?: GuardOptions): MiddlewareHandler<AuthEnv>

  /** The same around a handler of `(request, { peer })`, which then finds `auth` in its context. */
  protect<Extra extends { peer: AuthPeer }>(
    handler: GuardedHandler<Extra>,
    options?: GuardOptions,
  ): (request: Request, context: Extra) => Response | Promise<Response>

  /** Whether there is no administrator yet. */
  needsSetup(): Promise<boolean>

  /**
   * Makes the one-time code for the first administrator: good for 24 hours, ends the one before.
   *
   * @throws {@link AuthError} `setup-done`
   */
  createSetupCode(): Promise<string>

  /**
   * Deletes what has expired, in small batches; to be called every few minutes.
   *
   * @returns how many rows there were
   */
  sweep(): Promise<number>
}

/** The users of a service. Names are found whatever their case. */
export interface AuthUsers {
  /** @throws {@link AuthError} `name-invalid`, `name-taken`, `role-invalid`, `password-weak`, `hashing-overloaded` */
  add(user: NewUser): Promise<User>
  find(name: string): Promise<User | undefined>
  /** Every user, by name. */
  list(): Promise<User[]>
  /** Ends all of the user's sessions and lets none begin. @throws {@link AuthError} `user-unknown` */
  disable(name: string): Promise<void>
  /** @throws {@link AuthError} `user-unknown` */
  enable(name: string): Promise<void>
  /** Ends all of the user's sessions. @throws {@link AuthError} `user-unknown`, `password-weak`, `hashing-overloaded` */
  setPassword(name: string, password: string): Promise<void>
  /** These roles and no others. @throws {@link AuthError} `user-unknown`, `role-invalid` */
  setRoles(name: string, roles: readonly string[]): Promise<void>
}

/** The sessions of a service. */
export interface AuthSessions {
  /** The live sessions of a user, or of everybody, the latest first. */
  list(userName?: string): Promise<SessionInfo[]>
  /** Ends a session, at once in this process and within two seconds in others; says whether there was one. */
  revoke(sid: string): Promise<boolean>
}

/**
 * Opens users and sign-in on a store, making or updating the tables.
 *
 * @throws {@link AuthError} `option-invalid`, `lesson-off-loopback`; {@link CoreError} `option-unknown`; {@link StoreError}
 */
export async function createAuth(options: AuthOptions): Promise<Auth> {
  const settings = readOptions(options)
  const { store, clock, onEvent } = settings
  await store.migrate('auth', MIGRATIONS)
  const refusals = new Refusals(settings.serviceName)
  const sessions = new Sessions(store, clock, onEvent, settings.life)
  const hasher = await PasswordHasher.create(new HashGate(settings.gate), settings.cost)
  const passwords = new PasswordPolicy(hasher, settings.passwords)
  const users = new Users({ store, clock, onEvent, passwords, sessions })
  const throttle = new Throttle(store, clock, settings.limits)
  const setup = new Setup(store, clock, users)
  const signIn = new SignIn({ clock, onEvent, hasher, throttle, users, sessions })
  const authenticator = new Authenticator({ ...settings, refusals, sessions })
  const decide: Decide = (request, peer) => {
    const decided = authenticator.decide(request, peer)
    return decided instanceof Promise ? decided.then(contextOf) : contextOf(decided)
  }
  const guards = { clock, onEvent, refusals, decide }
  const parts = { ...settings, refusals, authenticator, sessions, signIn, setup, throttle, users }
  return {
    routes: authRoutes(parts),
    users: usersOf(users),
    sessions: {
      list: async (userName) => {
        if (userName === undefined) return await sessions.list()
        const user = await users.find(userName)
        return user === undefined ? [] : await sessions.list(user.id)
      },
      revoke: (sid) => sessions.revoke(sid),
    },
    authenticate: async (request, peer) => await decide(request, peer),
    guard: (guard = {}) => guardRoute(guards, guard),
    protect: (handler, guard = {}) => guardHandler(guards, handler, guard),
    needsSetup: () => setup.isNeeded(),
    createSetupCode: () => setup.createCode(),
    sweep: () => sweepExpired(store, clock),
  }
}

/** Only what the program may call: the rest of the class serves the routes. */
function usersOf(users: Users): AuthUsers {
  return {
    add: (user) => users.add(user),
    find: (name) => users.find(name),
    list: () => users.list(),
    disable: (name) => users.disable(name),
    enable: (name) => users.enable(name),
    setPassword: (name, password) => users.setPassword(name, password),
    setRoles: (name, roles) => users.setRoles(name, roles),
  }
}

function contextOf(decided: { context: AuthContext } | Refusal): AuthContext | Refusal {
  return decided instanceof Refusal ? decided : decided.context
}
