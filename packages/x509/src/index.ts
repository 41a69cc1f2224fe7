export { X509Error, type X509ErrorCode, type X509ErrorDetail } from './errors.ts'
