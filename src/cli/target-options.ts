import type { Command } from 'commander'

/** The options of every command that works with a broker. */
export function withTarget(command: Command): Command {
  return command
    .option('--directory <path>', 'where the broker keeps its data (default: ./portal-mq-data)')
    .option(
      '--url <url>',
      'a broker that is served, or several, with commas between (environment: PORTAL_MQ_URL)',
    )
    .option('--token <token>', 'says who asks there (better: the environment, PORTAL_MQ_TOKEN)')
}
