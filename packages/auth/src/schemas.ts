/**
 * What the routes take, checked once: a field nobody knows is refused like one that is missing.
 *
 * @module
 */
import { z } from 'zod'
import type { NewApiToken } from './api-tokens.ts'
import type { NewUser } from './users.ts'

/** A name and a password. */
export interface Login {
  username: string
  password: string
  /** Whether the session stays when the browser is closed. */
  remember: boolean
}

/** `POST /login`. */
export const LOGIN: z.ZodType<Login> = z.strictObject({
  username: text().min(1),
  password: text().min(1),
  // A box of a form says `on`, and nothing where it is not ticked.
  remember: z
    .union([z.boolean(), z.enum(['on', 'true', '1', 'off', 'false', '0'])])
    .default(false)
    .transform((value) => value === true || value === 'on' || value === 'true' || value === '1'),
})

/** `POST /login` of the lesson, which takes what it is given. */
export const LESSON_LOGIN: z.ZodType<Login> = z.object({
  username: text().default(''),
  password: text().default(''),
  remember: z.literal(false).default(false),
})

/** `POST /auth/password`. */
export const CHANGE_PASSWORD: z.ZodType<{ current: string; new: string }> = z.strictObject({
  current: text().min(1),
  new: text().min(1),
})

/** `POST /auth/setup`. */
export const SETUP: z.ZodType<{ code: string; username: string; password: string }> =
  z.strictObject({
    code: text().min(1).max(64),
    username: text().min(1),
    password: text().min(1),
  })

/** `POST /auth/tokens`. */
export const NEW_TOKEN: z.ZodType<NewApiToken> = z.strictObject({
  label: text().min(1).max(64),
  scopes: z.union([z.literal('*'), z.array(text().max(64)).min(1).max(50)]).optional(),
  days: z.int().min(1).max(365).optional(),
  networks: z.array(text().max(64)).max(16).optional(),
  x5tS256: text().length(43).optional(),
})

/** `POST /auth/reset`. */
export const RESET: z.ZodType<{ username: string }> = z.strictObject({ username: text().min(1) })

/** `POST /auth/reset/confirm`. */
export const RESET_CONFIRM: z.ZodType<{ token: string; new: string }> = z.strictObject({
  token: text().min(1).max(64),
  new: text().min(1),
})

/** `POST /admin/principals`. */
export const NEW_PRINCIPAL: z.ZodType<NewUser> = z.strictObject({
  name: text().min(1).max(256),
  kind: z.enum(['user', 'service']).optional(),
  roles: z.array(text().max(64)).max(50).optional(),
})

/** `PUT /admin/principals/:name/roles`. */
export const ROLES: z.ZodType<{ roles: string[] }> = z.strictObject({
  roles: z.array(text().max(64)).max(50),
})

/** Text that has a UTF-8 form: no half characters. */
function text(): z.ZodString {
  return z.string().refine((value) => value.isWellFormed())
}
