import t from 'tap'
import { grpcMethodsOf, isGrpc, matchesGrpcPath, parseGrpcMethod } from '../../../../src/policy/match/grpc.ts'

const matches = (text: string, path: string): boolean => matchesGrpcPath(grpcMethodsOf([parseGrpcMethod(text)]), path)

t.test('methods and services', async (t) => {
  t.ok(matches('a.b.Service/Get', '/a.b.Service/Get'))
  t.ok(matches('Service/Get', '/Service/Get'), 'a package is not required')
  t.ok(matches('a.Service/*', '/a.Service/Get'))
  for (const path of [
    '/a.Service',
    '/a.Service/',
    '/a.Service/Get/x',
    '/a.Service2/Get',
    '/x/a.Service/Get',
    'a.Service/Get',
    '/A.Service/Get',
  ])
    t.notOk(matches('a.Service/*', path), path)
  t.notOk(matches('a.Service/Get', '/a.Service/GetAll'))
})

t.test('what is not a method', async (t) => {
  for (const text of [
    '',
    '*',
    'a.Service',
    'a.Service/',
    '/a.Service/Get',
    'a..Service/Get',
    '.a/Get',
    'a.*/Get',
    'a/Get*',
    'a/b/c',
    'a b/c',
    '1a/b',
    'a/**',
  ])
    t.throws(() => parseGrpcMethod(text), { code: 'grpc-method-malformed' }, JSON.stringify(text))
})

t.test('what is a gRPC call', async (t) => {
  for (const type of [
    'application/grpc',
    'application/grpc+proto',
    'Application/GRPC; charset=x',
    'application/grpc-web+proto',
  ])
    t.ok(isGrpc('POST', type), type)
  for (const type of [undefined, '', 'application/json', 'application/grpcx', 'text/application/grpc'])
    t.notOk(isGrpc('POST', type), String(type))
  t.notOk(isGrpc('GET', 'application/grpc'))
})
