/** A bug that systems like this one have had, put into the source as it is bundled: nothing of it is in what is shipped. */
export interface Mutant {
  readonly name: string
  /** What is wrong, and who had it. */
  readonly bug: string
  /** Whose histories find it. */
  readonly cast: 'raw' | 'network' | 'cluster'
  /** Steps of trouble in one history. @default what the cast has in `npm run sim` */
  readonly steps?: number
  /** How the violation reads that shows it: anything else was found for another reason. */
  readonly shows: RegExp
  readonly changes: readonly Change[]
}

interface Change {
  /** Within src/. */
  readonly file: string
  /** Stands there exactly once. */
  readonly code: string
  readonly becomes: string
}

/** The source of a file with all that a mutant changes in it. Throws if there is nothing, or no single place, to change. */
export function mutate({ name, changes }: Mutant, file: string, source: string): string {
  let mutated = source
  for (const { code, becomes } of changes.filter((change) => change.file === file)) {
    const places = mutated.split(code).length - 1
    if (places !== 1)
      throw new Error(
        `The mutant ${name} changes a piece of src/${file} that stands there ${places} times, not once: it must follow the code. The piece:\n${code}`,
      )
    mutated = mutated.replace(code, () => becomes)
  }
  return mutated
}
