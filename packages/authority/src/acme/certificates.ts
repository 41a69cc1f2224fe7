/**
 * The chain that was ordered, as clients take it (RFC 8555 §7.4.2).
 *
 * @module
 */
import { notFound } from './problem.ts'
import type { AccountRequest } from './request.ts'
import type { AcmeState } from './state.ts'

/**
 * The leaf with what servers send after it; as the first alternate, with the root behind them as well, for whoever wants the whole chain.
 *
 * @param alternate - which alternate, as it stands in the address
 * @throws AcmeProblem 404
 */
export async function downloadChain(
  state: AcmeState,
  { account, urls }: AccountRequest,
  id: string,
  alternate: string | undefined,
): Promise<Response> {
  const row = await state.database
    .selectFrom('acme_certificate')
    .select('chain')
    .where('id', '=', id)
    .where('account', '=', account.id)
    .executeTakeFirst()
  if (row === undefined || (alternate !== undefined && alternate !== '1')) {
    throw notFound('certificate')
  }
  const isWhole = alternate !== undefined || row.chain.length <= 2
  const chain = isWhole ? row.chain : row.chain.slice(0, -1)
  const other = alternate === undefined ? urls.certificate(id, 1) : urls.certificate(id)
  return new Response(chain.join(''), {
    headers: {
      'content-type': 'application/pem-certificate-chain',
      link: `<${other}>;rel="alternate"`,
    },
  })
}
