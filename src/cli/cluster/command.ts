import { Command } from 'commander'
import { countOption } from '../table.js'
import { withTarget } from '../target-options.js'
import { drain, elect, forget, rebalance, undrain } from './changes.js'
import { exportBroker, rebuild } from './rebuild.js'
import { showCluster } from './show.js'

/** `portal-mq cluster …` */
export function clusterCommand(): Command {
  const command = withTarget(new Command('cluster'))
    .description('Shows the brokers of a cluster, where its partitions are and how far, and changes that.')
    .option('--topic <topic>', 'the partitions of this topic only')
    .option('-w, --watch', 'draw it anew every second, until interrupted')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ portal-mq cluster --url http://localhost:5000
  $ portal-mq cluster --watch --url http://localhost:5000
  $ portal-mq cluster drain 49471718a0c7354e --url http://localhost:5000
`,
    )
    .action((_, command: Command) => showCluster(command.optsWithGlobals()))
  change(command.command('rebalance'), 'Spreads replicas and leaders over all brokers.').action(
    (_, command: Command) => rebalance(command.optsWithGlobals()),
  )
  change(
    command.command('drain').argument('<broker>', 'its id, or the beginning of it'),
    'Moves everything off a broker, so that it can be taken away.',
  ).action((broker, _, command: Command) => drain(broker, command.optsWithGlobals()))
  change(
    command.command('undrain').argument('<broker>', 'its id, or the beginning of it'),
    'Lets replicas come to a broker again; rebalance gives it its share.',
    false,
  ).action((broker, _, command: Command) => undrain(broker, command.optsWithGlobals()))
  change(
    command.command('forget').argument('<broker>', 'its id, or the beginning of it'),
    'Strikes a broker off the list that will never come back. Drain it before.',
    false,
  ).action((broker, _, command: Command) => forget(broker, command.optsWithGlobals()))
  change(
    command
      .command('elect')
      .argument('<topic>')
      .argument('<partition>', 'its number', countOption)
      .option('--unclean', 'needed: messages that the new leader lacks are lost')
      .option('--broker <broker>', 'who shall lead (default: the first replica that lives)'),
    'Gives a partition a leader although all that had every message are gone for good.',
    false,
  ).action((topic, partition, _, command: Command) => elect(topic, partition, command.optsWithGlobals()))
  command
    .command('export')
    .description("Prints what a stopped broker's directory knows of its cluster, for rebuild.")
    .action((_, command: Command) => exportBroker(command.optsWithGlobals()))
  command
    .command('rebuild')
    .argument('<file...>', 'the exports of all brokers of the cluster')
    .description("Makes a cluster's metadata anew, where ZooKeeper has lost it. All brokers must be stopped.")
    .option('--zookeeper <servers>', 'host:2181,…/path, as the brokers are given it')
    .option('--zookeeper-auth-file <file>', 'who the cluster is to ZooKeeper: one line, user:password')
    .option('--allow-loss', 'although replicas are missing that may have had acknowledged messages')
    .action((files, _, command: Command) => rebuild(files, command.optsWithGlobals()))
  return command
}

function change(command: Command, description: string, isLong = true): Command {
  const described = command.description(description)
  return isLong ? described.option('--no-wait', 'do not wait until everything has moved') : described
}
