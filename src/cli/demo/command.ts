import { Command, Option } from 'commander'
import { PortalError } from '../../index.js'
import { positive } from '../positive.js'
import { brokerChild } from './cluster/broker-child.js'
import { CHILD_COMMAND } from './cluster/broker-process.js'
import { clusterDemo } from './cluster/cluster-demo.js'
import { demo } from './demo.js'

interface DemoFlags {
  readonly duration?: number
  readonly rate?: number
  readonly directory?: string
  readonly plain: boolean
  readonly cluster?: boolean
  readonly zookeeper?: string
}

/** `portal-mq demo`, and what its processes run. */
export function demoCommands(
  exit: (code: number) => void,
): readonly { readonly command: Command; readonly hidden: boolean }[] {
  return [
    { command: demoCommand(exit), hidden: false },
    {
      command: new Command(CHILD_COMMAND)
        .argument('<settings>')
        .action(async (settings: string) => exit(await brokerChild(settings))),
      hidden: true,
    },
  ]
}

function demoCommand(exit: (code: number) => void): Command {
  return new Command('demo')
    .description(
      'Sensors and controllers on one broker: messages fail, a controller dies, and nothing is lost. With --cluster three brokers: the leader dies.',
    )
    .option('-d, --duration <seconds>', 'how long the sensors send (default: 18; of a cluster: 15)', positive)
    .option(
      '-r, --rate <messages>',
      'readings per second and sensor (default: 50; of a cluster: 20)',
      positive,
    )
    .option('--cluster', 'three brokers as processes, and ZooKeeper; one is killed, another takes over')
    .option('--zookeeper <servers>', 'one that runs, like localhost:2181, instead of one that is started')
    .option('--directory <path>', 'keep the data there (default: a temporary folder, removed at the end)')
    .addOption(
      new Option('--plain', 'plain lines instead of the live view').default(
        !process.stdout.isTTY,
        'when not a terminal',
      ),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ portal-mq demo --duration 10 --rate 200\n  $ portal-mq demo --cluster\n  $ portal-mq demo --cluster --zookeeper localhost:2181\n',
    )
    .action(async (flags: DemoFlags) => exit(await run(flags)))
}

function run({
  cluster,
  zookeeper,
  directory,
  duration = cluster ? 15 : 18,
  rate = cluster ? 20 : 50,
  ...rest
}: DemoFlags): Promise<number> {
  const options = { ...rest, duration, rate }
  if (cluster) {
    if (directory !== undefined)
      throw invalid('The data of demo --cluster goes with it: leave out --directory, or --cluster.')
    return clusterDemo(zookeeper === undefined ? options : { ...options, zookeeper })
  }
  if (zookeeper !== undefined) throw invalid('--zookeeper is for the brokers of a cluster: add --cluster.')
  return demo(directory === undefined ? options : { ...options, directory })
}

function invalid(message: string): PortalError<'INVALID_ARGUMENT'> {
  return new PortalError('INVALID_ARGUMENT', message)
}
