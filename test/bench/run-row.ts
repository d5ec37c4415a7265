import type { Figure } from './figure.js'
import { ROWS } from './rows.js'

/** What this process tells the one that started it. */
export type RowReply = { readonly figures: readonly Figure[] } | { readonly error: string }

const [name, directory, quick] = process.argv.slice(2)
try {
  const row = await ROWS[name!]!()
  reply({ figures: await row({ directory: directory!, quick: quick === 'quick' }) })
} catch (error) {
  reply({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}

/** Whatever a row left open ends with it. */
function reply(message: RowReply): void {
  if (process.send) process.send(message, () => process.exit())
  else console.log(message)
}
