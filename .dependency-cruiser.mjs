// The layers of docs/architecture.md as rules: imports run downwards only, types included.
import { builtinModules } from 'node:module'

const builtin = `^(node:.*|(${builtinModules.join('|')}))$`

/** What chooses an adapter, or hands one to users: the only places that may name one. */
const choosers =
  '^src/(create-broker|rebuild-cluster|connect|connect-cluster|connect-node|connect-streams|client|http|zookeeper|outbox|testing)\\.ts$|^src/testing/'
const adapters = '^src/(storage/(memory|sqlite)|coordination/(memory|zookeeper)|transport/(in-process|http))'

/** Forbids `layer` to import anything of src/ that no pattern of `allowed` matches. */
function layer(folder, ...allowed) {
  return {
    name: `layer-${folder}`,
    comment: `src/${folder} may import ${[`src/${folder}`, ...allowed].join(', ')} and nothing else of src.`,
    severity: 'error',
    from: { path: `^src/${folder}/` },
    to: { path: '^src/', pathNot: [`^src/${folder}/`, ...allowed.map((path) => `^src/${path}`)] },
  }
}

/** Forbids everyone but `owner` the package `name`. */
function packageOf(owner, name) {
  return {
    name: `only-there-${name}`,
    comment: `Only ${owner} knows the package ${name}.`,
    severity: 'error',
    from: { path: '^src/', pathNot: owner },
    to: { path: `node_modules/(@types/)?${name}/` },
  }
}

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'What imports in a circle cannot be understood, tested or moved alone. Types count too.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },

    layer('core'),
    layer('runtime', 'core/'),
    layer('protocol', 'core/', 'runtime/'),
    layer('client', 'protocol/', 'core/', 'runtime/'),
    layer('storage', 'core/', 'runtime/'),
    // The recipes store topics and groups, whose shapes the protocol defines; the adapters store bytes.
    layer('coordination', 'core/', 'runtime/', 'protocol/'),
    {
      name: 'coordination-adapters-store-bytes',
      severity: 'error',
      from: { path: '^src/coordination/(memory|zookeeper)' },
      to: { path: '^src/protocol/' },
    },
    // Brokers pass calls on, and connections choose whom to ask, by the same code.
    layer('routing', 'protocol/', 'core/', 'runtime/'),
    layer('transport', 'protocol/', 'core/', 'runtime/'),
    layer(
      'broker',
      'routing/',
      'protocol/',
      'core/',
      'runtime/',
      'storage/storage\\.ts$',
      // The interface and the recipes; that it names no adapter, only-choosers-name-adapters says.
      'coordination/',
      'transport/transport\\.ts$',
    ),
    // The public face: whatever the command line can do, a user's program can.
    layer('cli', '[^/]+\\.ts$'),

    {
      name: 'core-is-pure',
      comment: 'src/core has no I/O and no packages: state, input and time in; state and effects out.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { pathNot: '^src/', couldNotResolve: false },
    },
    {
      name: 'nobody-above',
      comment: 'Only the entry points import client/; nothing imports cli/.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot:
          '^src/(client|testing)/|^src/(index|client|connect|connect-cluster|connect-node|connect-streams|http|zookeeper|outbox|testing)\\.ts$',
      },
      to: { path: '^src/client/' },
    },
    {
      name: 'nobody-imports-the-cli',
      severity: 'error',
      from: { pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'only-choosers-name-adapters',
      comment: 'src/create-broker.ts and src/rebuild-cluster.ts are the only places that choose adapters.',
      severity: 'error',
      from: { path: '^src/', pathNot: [choosers, adapters] },
      to: { path: adapters },
    },
    {
      name: 'adapters-are-strangers',
      comment: 'An adapter knows its interface, not the other adapters.',
      severity: 'error',
      from: { path: '^src/(storage|coordination|transport)/(memory|sqlite|zookeeper|in-process|http)' },
      to: {
        path: '^src/(storage|coordination|transport)/(memory|sqlite|zookeeper|in-process|http)',
        pathNot: '^src/$1/$2',
      },
    },
    {
      name: 'client-runs-anywhere',
      comment: 'portal-mq/client runs in browsers, Deno and Bun: no node: module anywhere below it.',
      severity: 'error',
      from: { path: '^src/client\\.ts$' },
      to: { path: builtin, reachable: true },
    },

    packageOf('^src/storage/sqlite/', 'better-sqlite3'),
    packageOf('^src/coordination/zookeeper/package\\.ts$', 'zookeeper'),
    packageOf('^src/cli/', 'commander'),
    packageOf('^src/transport/http/client/undici-send', 'undici'),
    {
      name: 'only-shipped-packages',
      comment: 'Users do not have our devDependencies.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only', 'npm-peer'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
    },
  },
}
