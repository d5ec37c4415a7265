import { measured } from './measured.js'
import type { Task } from './simulate.js'

const loud = process.argv.includes('--loud')

// A process of the pool: told of one history after the other by its parent, it tells what became of each, and ends with it.
process.on('message', (task: Task) => {
  void measured(task, { loud }).then((outcome) => process.send!(outcome))
})
process.on('disconnect', () => process.exit())
