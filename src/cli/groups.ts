import { Command } from 'commander'
import { Admin, type GroupDescription } from '../index.js'
import { type Target, withBroker } from './open.js'
import { table } from './table.js'
import { shared } from './topics.js'

/** `portal-mq group …` */
export function groupCommand(): Command {
  const command = new Command('group').description('Lists, describes, creates and deletes consumer groups.')
  command.addHelpText('after', '\nExample:\n  $ portal-mq group describe orders billing\n')
  shared(
    command.command('list').argument('<topic>'),
    'Lists the groups of a topic.',
    'group list orders',
  ).action(list)
  named(command.command('describe'), 'Shows one group.', 'group describe orders billing').action(describe)
  named(
    command.command('create'),
    'Makes a group before its first consumer.',
    'group create orders billing --from latest',
  )
    .option('--from <position>', 'earliest or latest', 'earliest')
    .action(create)
  named(
    command.command('delete'),
    'Deletes a group and what it has settled.',
    'group delete orders billing',
  ).action(remove)
  return command
}

function named(command: Command, description: string, example: string): Command {
  return shared(command.argument('<topic>').argument('<group>'), description, example)
}

interface Shared extends Target {
  readonly json?: boolean
}

async function list(topic: string, { json, ...target }: Shared): Promise<void> {
  await withBroker(target, async (broker) => {
    const groups = await new Admin(broker).listGroups(topic)
    if (json) print(groups)
    else
      table(
        ['GROUP', 'LAG', 'STATE'],
        groups.map((group) => [group.name, group.lag, group.paused ? 'paused' : 'active']),
      )
  })
}

async function describe(topic: string, group: string, { json, ...target }: Shared): Promise<void> {
  await withBroker(target, async (broker) => show(await new Admin(broker).describeGroup(topic, group), json))
}

async function create(
  topic: string,
  group: string,
  { json, from, ...target }: Shared & { from: string },
): Promise<void> {
  await withBroker(target, async (broker) => {
    show(await new Admin(broker).createGroup(topic, group, { from: from as 'earliest' | 'latest' }), json)
  })
}

async function remove(topic: string, group: string, target: Shared): Promise<void> {
  await withBroker(target, (broker) => new Admin(broker).deleteGroup(topic, group))
  process.stdout.write(`Deleted ${group} of ${topic}.\n`)
}

function show(group: GroupDescription, json: boolean | undefined): void {
  if (json) {
    print(group)
    return
  }
  const { maxDeliveries, deadLetter } = group.settings
  const dead = deadLetter === false ? 'discarded' : `to ${deadLetter}`
  process.stdout.write(
    `${group.name} of ${group.topic}: ${group.paused ? 'paused' : 'active'}, generation ${group.generation}, `,
  )
  process.stdout.write(`${maxDeliveries} deliveries, then ${dead}\n\n`)
  table(
    ['PARTITION', 'FLOOR', 'LAG', 'IN FLIGHT', 'RETRYING', 'ACKED', 'DEAD', 'EXPIRED'],
    group.partitions.map((one) => [
      one.partition,
      one.floor,
      one.lag,
      one.inFlight,
      one.retrying,
      one.acked,
      one.deadLettered,
      one.expired,
    ]),
  )
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}
