// What is missing is said. The words of the kernel and the programs are those that real ones said.
import t from 'tap'
import { parsePlan } from '../../../src/capture/plan.ts'
import { applyRules, type Machine, removeRules } from '../../../src/capture/redirect.ts'
import type { Ran } from '../../../src/capture/run.ts'
import { texts } from './plans.ts'

const ALL = 'Name:\tnode\nCapEff:\t000001ffffffffff\n'
const NONE = 'Name:\tnode\nCapEff:\t0000000000000000\n'

const ok: Ran = { code: 0, stdout: '', stderr: '' }

/** A machine on which the programs `there` exist, and answer as `answer` says. */
function machine(
  there: readonly string[],
  answer: (program: string, args: readonly string[], input: string) => Ran = () => ok,
): {
  readonly ran: string[]
  readonly machine: Machine
} {
  const ran: string[] = []
  return {
    ran,
    machine: {
      status: ALL,
      run: async (program, args, input = '') => {
        if (!there.includes(program)) return undefined
        ran.push([program, ...args].join(' '))
        return answer(program, args, input)
      },
    },
  }
}

const plan = parsePlan({ ...texts, families: ['ipv4'] })
const tproxy = parsePlan({ ...texts, families: ['ipv4'], mode: 'tproxy' })
const changes = /--noflush$|^nft -f|^ip .*(?:add|replace|del)/
const wayOut = /nothing was changed; without capture.*HTTP_PROXY/

t.test('without the privilege nothing is run', async (t) => {
  const { ran, machine: there } = machine(['nft', 'iptables-save', 'iptables-restore'])
  const unable = { ...there, status: NONE }
  await t.rejects(applyRules(plan, 'auto', unable, false), { code: 'capture-privilege', message: /CAP_NET_ADMIN/ })
  await t.rejects(removeRules(unable), { code: 'capture-privilege' })
  await t.rejects(applyRules(plan, 'auto', { ...there, status: '' }, false), {
    code: 'capture-privilege',
    message: wayOut,
  })
  t.same(ran, [])
})

t.test('a program that is missing is named', async (t) => {
  const none = machine([])
  await t.rejects(applyRules(plan, 'auto', none.machine, false), {
    code: 'capture-program',
    message: /neither.*nft nor iptables/,
  })
  const half = machine(['iptables-save'])
  await t.rejects(applyRules(plan, 'auto', half.machine, false), {
    code: 'capture-program',
    message: /no program iptables-restore/,
  })
  const unrouted = machine(['nft'], (_program, args) => (args[0] === 'list' ? { ...ok, code: 1 } : ok))
  await t.rejects(applyRules(tproxy, 'nft', unrouted.machine, false), {
    code: 'capture-program',
    place: 'ip',
    message: /tproxy needs/,
  })
  for (const { ran } of [none, half, unrouted])
    t.same(
      ran.filter((line) => changes.test(line)),
      [],
      'nothing was changed',
    )
})

t.test('a feature that the kernel lacks is named', async (t) => {
  const lacking = (word: RegExp): ReturnType<typeof machine> =>
    machine(['iptables-save', 'iptables-restore', 'ip', 'iptables'], (program, _args, input) =>
      program === 'iptables-restore' && word.test(input)
        ? {
            code: 2,
            stdout: '',
            stderr: "iptables-restore v1.8.9 (nf_tables): Couldn't load match\nError occurred at line: 4\n",
          }
        : ok,
    )
  for (const [word, what, wanted] of [
    [/-m owner/, /xt_owner/, plan],
    [/-j REDIRECT/, /xt_REDIRECT/, plan],
    [/-j TPROXY/, /xt_TPROXY/, tproxy],
    [/--ctdir/, /xt_conntrack/, tproxy],
    [/\*nat/, /no table nat/, plan],
  ] as const) {
    const { machine: there } = lacking(word)
    await t.rejects(
      applyRules(wanted, 'iptables', there, false),
      { code: 'capture-kernel', message: what },
      String(what),
    )
    await t.rejects(applyRules(wanted, 'iptables', there, false), { message: wayOut })
  }
})

t.test('what nft says is said', async (t) => {
  const { machine: there } = machine(['nft'], (_program, args, input) => {
    if (args[0] === 'list') return { ...ok, code: 1 }
    return /redirect to/.test(input)
      ? { code: 1, stdout: '', stderr: '/dev/stdin:4:1-2: Error: Could not process rule: No such file or directory\n' }
      : ok
  })
  await t.rejects(applyRules(plan, 'nft', there, false), { code: 'capture-kernel', message: /nft_redir/ })
  await t.rejects(
    applyRules(plan, 'nft', there, true),
    { code: 'capture-kernel', message: /nft_redir/ },
    'and by --dry-run',
  )
})

t.test('when the second family fails the first one is taken back', async (t) => {
  const inputs: string[] = []
  const tables = new Map<string, string>()
  const { machine: there } = machine(
    ['iptables-save', 'iptables-restore', 'ip6tables-save', 'ip6tables-restore', 'iptables', 'ip'],
    (program, _args, input) => {
      if (program.endsWith('-save')) return { ...ok, stdout: tables.get(program) ?? '' }
      if (program === 'ip6tables-restore')
        return { code: 3, stdout: '', stderr: "can't initialize ip6tables table `nat'\n" }
      // What the kernel has is asked about with a chain that comes and goes.
      if (program === 'iptables-restore' && !input.includes('PROBE')) {
        inputs.push(input)
        tables.set(
          'iptables-save',
          input.includes('-X OUTRIDER_INBOUND') ? '' : input.replaceAll(/-I (\S+) 1/g, '-A $1'),
        )
      }
      return ok
    },
  )
  const both = parsePlan(texts)
  await t.rejects(applyRules(both, 'iptables', there, false), {
    code: 'capture-kernel',
    message: /no table nat for ipv6/,
  })
  t.match(inputs[0], '-I PREROUTING 1 -p tcp -j OUTRIDER_INBOUND')
  t.match(inputs[1], '-X OUTRIDER_INBOUND')
  t.equal(tables.get('iptables-save'), '')
})

t.test('success that is none is found out', async (t) => {
  const { machine: there } = machine(['iptables-save', 'iptables-restore', 'iptables', 'ip'])
  await t.rejects(applyRules(plan, 'iptables', there, false), { code: 'capture-not-in-force', message: wayOut })
})

t.test('rules that the other program made are not doubled', async (t) => {
  const { machine: there } = machine(['nft', 'iptables-save', 'iptables-restore'], (program) =>
    program === 'nft' ? { ...ok, stdout: 'table inet outrider {\n}\n' } : ok,
  )
  await t.rejects(applyRules(plan, 'iptables', there, false), {
    code: 'capture-other-rules',
    message: /redirect remove/,
  })
})
