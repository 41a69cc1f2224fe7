/**
 * What the routes take, checked once: a field nobody knows is refused like one that is missing.
 *
 * @module
 */
import { z } from 'zod'

/** A name and a password. */
export interface Login {
  username: string
  password: string
}

/** `POST /login`. */
export const LOGIN: z.ZodType<Login> = z.strictObject({
  username: text().min(1),
  password: text().min(1),
})

/** `POST /login` of the lesson, which takes what it is given. */
export const LESSON_LOGIN: z.ZodType<Login> = z.object({
  username: text().default(''),
  password: text().default(''),
})

/** `POST /auth/password`. */
export const CHANGE_PASSWORD: z.ZodType<{ current: string; new: string }> = z.strictObject({
  current: text().min(1),
  new: text().min(1),
})

/** `POST /auth/setup`. */
export const SETUP: z.ZodType<Login & { code: string }> = z.strictObject({
  code: text().min(1).max(64),
  username: text().min(1),
  password: text().min(1),
})

/** Text that has a UTF-8 form: no half characters. */
function text(): z.ZodString {
  return z.string().refine((value) => value.isWellFormed())
}
