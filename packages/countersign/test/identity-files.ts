/**
 * Files issued by `countersign issue`, for tests that hand them to other programs.
 */
import path from 'node:path'
import { runProgram } from '@countersign/testkit'

/** Where `issue` put the files of one name. */
export interface IdentityFiles {
  certificate: string
  key: string
  roots: string
  pkcs12: string
  serial: string
}

/** Makes an authority and answers its data folder. */
export async function initAuthority(folder: string, ...args: string[]): Promise<string> {
  const data = path.join(folder, 'data')
  const { code, stdout, stderr } = await runProgram([
    'init',
    '--data',
    data,
    '--org',
    'Example',
    ...args,
  ])
  if (code !== 0) throw new Error(`${stdout}${stderr}`)
  return data
}

/** Issues one certificate into `folder`. */
export async function issue(
  data: string,
  folder: string,
  name: string,
  ...args: string[]
): Promise<IdentityFiles> {
  const { code, stdout, stderr } = await runProgram([
    'issue',
    name,
    '--data',
    data,
    '--out',
    folder,
    '--json',
    ...args,
  ])
  if (code !== 0) throw new Error(`${stdout}${stderr}`)
  const { serial } = JSON.parse(stdout)
  const base = path.join(folder, name)
  return {
    certificate: `${base}.crt`,
    key: `${base}.key`,
    roots: path.join(folder, 'roots.pem'),
    pkcs12: `${base}.p12`,
    serial,
  }
}
