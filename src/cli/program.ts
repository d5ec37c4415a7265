import { Command, CommanderError } from 'commander'
import { isPortalError } from '../index.js'
import { clusterCommand } from './cluster/command.js'
import { consume } from './consume.js'
import { demoCommands } from './demo/command.js'
import { groupCommand } from './groups.js'
import { positive } from './positive.js'
import { produce } from './produce.js'
import { serveCommand } from './serve/command.js'
import { withTarget } from './target-options.js'
import { topicCommand } from './topics.js'

/** Set where the program is built. */
declare const PORTAL_MQ_VERSION: string

/** Runs one command; resolves to the exit code. Errors are one line on stderr that says what to do. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  let code = 0
  const program = buildProgram((result) => {
    code = result
  })
  try {
    await program.parseAsync(argv)
    return code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode
    process.stderr.write(`portal-mq: ${describeError(error)}\n`)
    return 1
  }
}

function buildProgram(exit: (code: number) => void): Command {
  const program = new Command('portal-mq')
    .description('An embeddable durable message queue for Node.')
    .version(PORTAL_MQ_VERSION, '-V, --version')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      '\nExamples:\n  $ portal-mq demo\n  $ portal-mq serve --port 5000 --directory ./data\n',
    )
  program.addCommand(serveCommand(exit))
  for (const { command, hidden } of demoCommands(exit)) program.addCommand(command, { hidden })
  program.addCommand(produceCommand())
  program.addCommand(consumeCommand())
  program.addCommand(topicCommand())
  program.addCommand(groupCommand())
  program.addCommand(clusterCommand())
  for (const command of program.commands) inherit(command)
  return program
}

function inherit(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) inherit(child)
}

function produceCommand(): Command {
  return withTarget(new Command('produce'))
    .description('Sends each line of stdin as a message.')
    .argument('<topic>', 'made if it does not exist')
    .option('--json', 'each line is a JSON value')
    .option('--key <key>', 'the key of all messages')
    .addHelpText(
      'after',
      '\nExamples:\n  $ seq 1000000 | portal-mq produce numbers\n  $ seq 1000000 | portal-mq produce numbers --url http://localhost:5000\n',
    )
    .action(produce)
}

function consumeCommand(): Command {
  return withTarget(new Command('consume'))
    .description(
      'Prints messages. With --group they are leased, and acknowledged once printed; without, only read.',
    )
    .argument('<topic>')
    .option('-g, --group <name>', 'consume as a member of this group')
    .option('-n, --count <messages>', 'end after so many', positive)
    .option(
      '--from <position>',
      'earliest, latest, an offset (without --group) or a time (ISO 8601)',
      'earliest',
    )
    .option('--json', 'one JSON object a message: topic, partition, offset, timestamp, key, headers, value')
    .option('-f, --follow', 'wait for more instead of ending')
    .addHelpText(
      'after',
      '\nExamples:\n  $ portal-mq consume numbers --group printers --count 10\n  $ portal-mq consume numbers --follow --url http://localhost:5000\n',
    )
    .action(consume)
}

/** What the library says is for who writes programs: where it names a method, the command that does the same. */
function describeError(error: unknown): string {
  if (isPortalError(error)) return `${asCommands(error.message)} [${error.code}]`
  return error instanceof Error ? error.message : String(error)
}

function asCommands(message: string): string {
  return message
    .replace(/Make it with admin\.createTopic\('([^']*)'\)/, "Make it with 'portal-mq topic create $1'")
    .replace(/\s*Change it with admin\.updateTopic\./, '')
    .replace(/move the group with admin\.seekGroup/, 'choose another group')
}
