import { Command } from 'commander'
import { LOG_LEVELS } from './json-logger.js'
import { serve } from './serve.js'

/** `portal-mq serve`. Defaults are not told to commander: flags that were not given must not hide the environment. */
export function serveCommand(exit: (code: number) => void): Command {
  return new Command('serve')
    .description(
      'Serves a directory over HTTP, for producers and consumers elsewhere; with --zookeeper as one broker of a cluster.',
    )
    .option('-p, --port <port>', '0: any that is free (default: 5000)')
    .option(
      '--host <address>',
      'where to listen; beyond this machine it needs TLS and tokens (default: 127.0.0.1)',
    )
    .option(
      '--directory <path>',
      'where the broker keeps its data (default: ./portal-mq-data; in a cluster, of ports other than 5000: ./portal-mq-data-<port>)',
    )
    .option('--zookeeper <servers>', 'host:2181,…/path: makes all brokers that name the same one cluster')
    .option('--zookeeper-auth-file <file>', 'who the cluster is to ZooKeeper: one line, user:password')
    .option(
      '--session-timeout <milliseconds>',
      'without a sign of life for so long, others take its place (default: 6000)',
    )
    .option('--id <name>', 'its name in the cluster: on an empty directory it then comes back as itself')
    .option('--rack <name>', 'what fails together with it: replicas are spread over racks')
    .option('--replicas <number>', 'of each partition, unless its topic says how many (default: 3)')
    .option('--min-in-sync <number>', 'replicas that must have a message (default: the majority)')
    .option(
      '--replica-lag <milliseconds>',
      'a replica that is so late is waited for no more (default: 10000)',
    )
    .option(
      '--replication-throttled-rate <bytes>',
      'a second: what it fetches at most for replicas that are behind (default: 33554432)',
    )
    .option('--token-file <file>', 'who may come in: on each line a token, or a token and its principal')
    .option(
      '--cluster-secret-file <file>',
      'by which the brokers of a cluster know each other: the same on all',
    )
    .option('--tls-cert <file>', 'certificate, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--tls-ca <file>', 'whose client certificates let their names in, PEM')
    .option('--advertise <url>', 'the URL under which others reach it (default: made of host and port)')
    .option('--insecure', 'listen beyond this machine without TLS or tokens: anybody may do anything')
    .option('--config <file>', 'JSON with any of these settings, and more: see docs/operations.md')
    .option('--log-level <level>', `${LOG_LEVELS.join(', ')} (default: info)`)
    .addHelpText(
      'after',
      `
Each has an environment variable, too: PORTAL_MQ_PORT, PORTAL_MQ_TOKEN_FILE, … Flags go before the environment, the
environment before the configuration file.

Examples:
  $ portal-mq serve --port 5000 --directory ./data
  $ portal-mq serve --port 5001 --zookeeper localhost:2181
  $ portal-mq serve --host 0.0.0.0 --token-file tokens --tls-cert cert.pem --tls-key key.pem
`,
    )
    .action(async (flags) => exit(await serve(flags)))
}
