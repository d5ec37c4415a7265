import { Command } from 'commander'
import { Admin, type TopicDescription } from '../index.js'
import { type Target, withBroker } from './open.js'
import { byteCount, countOption, table } from './table.js'
import { withTarget } from './target-options.js'

/** `portal-mq topic …` */
export function topicCommand(): Command {
  const command = new Command('topic').description('Lists, describes, creates and deletes topics.')
  command.addHelpText('after', '\nExample:\n  $ portal-mq topic create orders --partitions 4\n')
  shared(command.command('list'), 'Lists all topics.', 'topic list').action(list)
  shared(command.command('describe').argument('<topic>'), 'Shows one topic.', 'topic describe orders').action(
    describe,
  )
  shared(
    command.command('create').argument('<topic>'),
    'Makes a topic.',
    'topic create orders --partitions 4',
  )
    .option('-p, --partitions <count>', 'how many partitions', countOption, 1)
    .option('--replicas <count>', 'in a cluster: copies of each partition', countOption)
    .option('--min-in-sync <count>', 'in a cluster: how many of them must have a message', countOption)
    .option('--after <ms>', 'milliseconds that settled messages are kept', countOption)
    .option('--age <ms>', 'milliseconds after which messages go, settled or not', countOption)
    .option('--bytes <bytes>', 'bytes per partition above which the oldest go', countOption)
    .action(create)
  shared(
    command.command('delete').argument('<topic>'),
    'Deletes a topic and all its messages.',
    'topic delete orders',
  ).action(remove)
  return command
}

/** What every command on a broker has. */
export function shared(command: Command, description: string, example: string): Command {
  return withTarget(command)
    .description(description)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `\nExamples:\n  $ portal-mq ${example}\n  $ portal-mq ${example} --url http://localhost:5000\n`,
    )
}

interface Shared extends Target {
  readonly json?: boolean
}

async function list({ json, ...target }: Shared): Promise<void> {
  await withBroker(target, async (broker) => {
    const topics = await new Admin(broker).listTopics()
    if (json) print(topics)
    else
      table(
        ['TOPIC', 'PARTITIONS', 'ID'],
        topics.map((topic) => [topic.name, topic.partitions, topic.id]),
      )
  })
}

async function describe(name: string, { json, ...target }: Shared): Promise<void> {
  await withBroker(target, async (broker) => show(await new Admin(broker).describeTopic(name), json))
}

interface Create extends Shared {
  readonly partitions: number
  readonly replicas?: number
  readonly minInSync?: number
  readonly after?: number
  readonly age?: number
  readonly bytes?: number
}

async function create(
  name: string,
  { json, partitions, replicas, minInSync, after, age, bytes, ...target }: Create,
): Promise<void> {
  await withBroker(target, async (broker) => {
    const config = { partitions, replicas, minInSync, retention: { after, age, bytes } }
    show(await new Admin(broker).createTopic(name, config), json)
  })
}

async function remove(name: string, target: Shared): Promise<void> {
  await withBroker(target, (broker) => new Admin(broker).deleteTopic(name))
  process.stdout.write(`Deleted ${name}.\n`)
}

function show(topic: TopicDescription, json: boolean | undefined): void {
  if (json) {
    print(topic)
    return
  }
  const { retention, maxMessageBytes } = topic.config
  process.stdout.write(`${topic.name}  (id ${topic.id}, made ${topic.createdAt.toISOString()})\n`)
  process.stdout.write(
    `kept: ${JSON.stringify(retention)}  largest message: ${byteCount(maxMessageBytes)}\n\n`,
  )
  table(
    ['PARTITION', 'FIRST', 'NEXT', 'MESSAGES', 'SIZE', 'EPOCH'],
    topic.partitions.map((one) => [
      one.partition,
      one.firstOffset,
      one.nextOffset,
      one.messages,
      byteCount(one.bytes),
      one.epoch,
    ]),
  )
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}
