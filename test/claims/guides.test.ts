import { existsSync, globSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { commands } from '../../src/cli/run.ts'
import { read, root } from './sources.ts'

const guides = globSync('docs/guides/*.md', { cwd: root }).toSorted()

/** Every `outrider COMMAND ...` of a text, up to the end of its line, a comment or the next program. */
function commandLines(text: string): readonly (readonly [command: string, rest: string])[] {
  const joined = text.replaceAll(/\\\n\s*/g, ' ')
  return [...joined.matchAll(/\boutrider ([a-z]+)( [^`\n#|>;]*)?/g)].map(([, name = '', rest = '']) => [name, rest])
}

t.test('every command and option in the guides is there', async (t) => {
  let found = 0
  for (const guide of guides) {
    for (const [name, rest] of commandLines(read(guide))) {
      const flags = [...rest.matchAll(/ --([a-z][a-z0-9-]*)/g)].map(([, flag = '']) => flag)
      const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
      // Words of a sentence are no command.
      if (entry === undefined && flags.length === 0) continue
      if (!t.ok(entry, `${guide}: outrider ${name}`) || entry === undefined) continue
      const { command } = await entry.load()
      // What `launch` is given is for the sidecar.
      const passed = name === 'launch' ? ((await commands['sidecar']?.load())?.command.options ?? {}) : {}
      for (const flag of flags) {
        found += 1
        t.ok(flag in command.options || flag in passed, `${guide}: outrider ${name} --${flag}`)
      }
    }
  }
  t.ok(found > 40, `${found} options`)
})

t.test('every file and page that a guide links to is there', async (t) => {
  const lost = guides.flatMap((guide) =>
    [...read(guide).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      const [path = '', anchor] = target.split('#')
      if (/^https?:/.test(target)) return []
      const file = path === '' ? guide : join(dirname(guide), path)
      if (!existsSync(join(root, file))) return [`${guide}: ${target}`]
      if (anchor === undefined || !file.endsWith('.md')) return []
      const anchors = [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => anchorOf(title))
      return anchors.includes(anchor) ? [] : [`${guide}: ${target}`]
    }),
  )
  t.same(lost, [])
})

/** As GitHub makes them. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}
