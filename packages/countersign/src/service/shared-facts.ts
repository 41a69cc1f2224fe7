/**
 * What every process of one service has to know alike, and what they say to each other. It goes by the channel between the first
 * process and a worker, which nobody else reads: passphrases are never in arguments or in the environment.
 *
 * @module
 */
import type { Revocation } from '@countersign/auth'
import type { RequesterRule } from '@countersign/authority'
import type { MetricFamily } from '@countersign/server'
import { z } from 'zod'
import { type Configuration, RULES } from '../configuration-file.ts'

/** The settings of a service that has begun. */
export interface SharedFacts {
  /** The address of the database. */
  readonly database: string
  /** Opens the authority's keys; left out where the folder's own does. */
  readonly passphrase?: string | undefined
  /** Who may ask for which certificates. */
  readonly rules?: readonly RequesterRule[] | undefined
  /** Certificates of proxies whose `Client-Cert` counts. */
  readonly clientCertFrom?: readonly string[] | undefined
  /** The header in which they tell their client's address. */
  readonly clientAddressFrom?: Configuration['clientAddressFrom']
  /** Who has to have a second factor. */
  readonly requireSecondFactor?: Configuration['requireSecondFactor']
  /** A file with passwords that nobody may choose. */
  readonly refusedPasswords?: string | undefined
  /** A command that tells users what they should hear of. */
  readonly tellUsers?: string | undefined
  /** Whether tokens are made only for those who prove what they are bound to. */
  readonly boundTokensOnly?: boolean | undefined
  /** What is listened on. */
  readonly host: string
  /** Who the service is to clients that get tokens. */
  readonly issuer: string
  /** How many passwords each process hashes at once, and how many wait. */
  readonly hashing?: { readonly permits: number; readonly queue: number } | undefined
}

/** What a worker asks the first process. */
export type Question =
  /** Take over what has changed, and answer once all have. */
  | { readonly type: 'look' }
  /** The numbers of all. */
  | { readonly type: 'numbers' }
  | Ended

/** What the first process tells the workers. */
export type News =
  | Ended
  /** The file of the access log was moved away. */
  | { readonly type: 'reopen' }

/** A session, a token, or everything of somebody is no longer good. */
interface Ended {
  readonly type: 'ended'
  readonly ended: Revocation
}

/** What a worker was given. */
export function readFacts(data: unknown): SharedFacts {
  return FACTS.parse(data)
}

/** What the first process was asked. */
export function readQuestion(question: unknown): Question {
  return QUESTION.parse(question)
}

/** What a worker was told. */
export function readNews(news: unknown): News {
  return NEWS.parse(news)
}

/** Our own program sent it: only whether it is a list is looked at. */
export function isFamilies(value: unknown): value is MetricFamily[] {
  return Array.isArray(value)
}

const FACTS: z.ZodType<SharedFacts> = z.strictObject({
  database: z.string(),
  passphrase: z.string().optional(),
  rules: RULES.optional(),
  clientCertFrom: z.array(z.string()).optional(),
  clientAddressFrom: z.enum(['forwarded', 'x-forwarded-for']).optional(),
  requireSecondFactor: z.enum(['admins', 'everybody']).optional(),
  refusedPasswords: z.string().optional(),
  tellUsers: z.string().optional(),
  boundTokensOnly: z.boolean().optional(),
  host: z.string(),
  issuer: z.string(),
  hashing: z.strictObject({ permits: z.int().min(1), queue: z.int().min(1) }).optional(),
})

const ENDED = z.strictObject({
  type: z.literal('ended'),
  ended: z.strictObject({
    sid: z.string().optional(),
    credentialId: z.string().optional(),
    principalId: z.string().optional(),
  }),
})

const QUESTION: z.ZodType<Question> = z.union([
  z.strictObject({ type: z.enum(['look', 'numbers']) }),
  ENDED,
])

const NEWS: z.ZodType<News> = z.union([z.strictObject({ type: z.literal('reopen') }), ENDED])
