import { docsPage } from '../docs-page.js'
import { json } from '../exchange.js'
import { describeApi, type OpenApi, VERSION } from '../openapi.js'
import type { Route } from '../route.js'
import { answer, JSON_TYPE, record } from './schemas.js'

const tag = 'Description'
const HTML_TYPE = 'text/html'

/** The page has its own style and script, and asks for nothing elsewhere. */
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

/** What describes the other routes, and itself. They hold nothing that is not in the package: they are served without a token. */
export function metaRoutes(served: readonly Route[], basePath = ''): readonly Route[] {
  let description: OpenApi | undefined
  let page: string | undefined
  const describe = () => {
    description ??= describeApi([...served, ...own], basePath)
    return description
  }
  const own: readonly Route[] = [
    {
      method: 'GET',
      path: '/openapi.json',
      id: 'describe',
      tag,
      open: true,
      summary: 'This description, as OpenAPI 3.1.',
      answers: { 200: answer('The description.', { type: 'object', required: ['openapi', 'paths'] }) },
      handle: async () => json(describe()),
    },
    {
      method: 'GET',
      path: '/docs',
      id: 'readDocs',
      tag,
      open: true,
      summary: 'This description, as a page to read.',
      answers: { 200: { description: 'The page.', content: { [HTML_TYPE]: { type: 'string' } } } },
      async handle() {
        page ??= docsPage(describe())
        return { status: 200, headers: { ...PAGE_HEADERS }, body: page }
      },
    },
    {
      method: 'GET',
      path: '/',
      id: 'index',
      tag,
      open: true,
      summary: 'What answers here; to a browser, the way to its page.',
      answers: {
        200: answer(
          'Its name and version, and where to go on.',
          record({
            name: { type: 'string' },
            version: { type: 'string' },
            openapi: { type: 'string' },
            docs: { type: 'string' },
          }),
        ),
        302: { description: 'To the page.' },
      },
      async handle(context) {
        if (context.wants(JSON_TYPE, HTML_TYPE) === HTML_TYPE)
          return { status: 302, headers: { location: '/docs', vary: 'accept' }, body: undefined }
        const docs = `${basePath}/docs`
        const openapi = `${basePath}/openapi.json`
        return json({ name: 'portal-mq', version: VERSION, openapi, docs }, 200, { vary: 'accept' })
      },
    },
  ]
  return own
}
