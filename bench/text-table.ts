/** Pads cells to the width of their column: the first `texts` columns to the right, figures to the left. */
export function columns(head: readonly string[], body: readonly (readonly string[])[], texts = 1): string[][] {
  const all = [head, ...body]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all.map((row) =>
    row.map((cell, column) => (column < texts ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))),
  )
}

/** A table for a person at a terminal. The first `texts` columns hold text, the others figures. */
export function textTable(head: readonly string[], body: readonly (readonly string[])[], texts = 1): string {
  return columns(head, body, texts)
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('')
}
