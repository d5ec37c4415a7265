import type { Mutant } from '../mutant.js'

export const deadLetterBeforeDying: Mutant = {
  name: 'dead-letter-before-dying',
  bug: 'A dead letter is sent before it is committed that its message is dying: lost with its leader, it leaves a copy of what lives, and its number to another message, whose copy passes for stored.',
  cast: 'cluster',
  shows: /^\[23\] /,
  changes: [
    {
      file: 'broker/dead-letters.ts',
      code: '    await this.#partition.caughtUp()\n',
      becomes: '',
    },
    {
      file: 'broker/settle-stage.ts',
      code: 'if (dying) group.onCommitted(() => this.dying.ring())',
      becomes: 'if (dying) this.dying.ring()',
    },
  ],
}
