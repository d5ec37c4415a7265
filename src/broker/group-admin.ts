import type { GroupDocument } from '../coordination/documents.js'
import { PortalError } from '../core/errors.js'
import { checkGroupName } from '../core/names.js'
import type { GroupDescription, GroupStart, GroupSummary } from '../protocol/groups.js'
import type { BrokerService, JoinedGroup, JoinGroupRequest } from '../protocol/service.js'
import { groupMoved } from './consume-service.js'
import { describeGroup, explain, summarizeGroup } from './describe.js'
import { checkAgreement, patchGroupSettings, resolveGroupSettings } from './group-settings.js'
import { groupMissing } from './missing.js'
import type { Topic } from './topic.js'
import type { AdminHost, TopicAdmin } from './topic-admin.js'
import type { Turns } from './turns.js'

type Request<M extends keyof BrokerService> = Parameters<BrokerService[M]>[0]

/** Making, joining, changing, moving, describing and ending groups. Changes follow one another, and those of topics. */
export class GroupAdmin {
  readonly #host: AdminHost
  readonly #topics: TopicAdmin
  readonly #turns: Turns

  constructor(host: AdminHost, topics: TopicAdmin, turns: Turns) {
    this.#host = host
    this.#topics = topics
    this.#turns = turns
  }

  async listGroups({ topic }: Request<'listGroups'>): Promise<readonly GroupSummary[]> {
    const found = this.#topics.get(topic)
    await this.#host.estate.syncGroups(found)
    return [...found.groups.keys()].sort().map((group) => summarizeGroup(found, group))
  }

  async describeGroup(request: Request<'describeGroup'>): Promise<GroupDescription> {
    return describeGroup((await this.#group(request)).topic, request.group)
  }

  async joinGroup(request: JoinGroupRequest): Promise<JoinedGroup> {
    checkGroupName(request.group)
    const topic = this.#topics.get(request.topic)
    await this.#host.estate.syncGroup(topic, request.group)
    return this.#join(topic, request)
  }

  async #join(topic: Topic, request: JoinGroupRequest): Promise<JoinedGroup> {
    const present = topic.groups.get(request.group)
    if (present) {
      checkAgreement(request.group, present.settings, request.settings)
      checkOrigin(present, request.from)
      return toJoined(topic, present)
    }
    if (!request.create) throw groupMissing(request.topic, request.group)
    const settings = resolveGroupSettings(topic.name, request.settings)
    return this.#turns.take(async () => {
      if (!topic.groups.has(request.group)) await this.#createGroup(topic, request, settings)
      return this.#join(topic, request)
    })
  }

  updateGroup(request: Request<'updateGroup'>): Promise<GroupDescription> {
    return this.#changeGroup(request, (document) => ({
      ...document,
      settings: patchGroupSettings(document.topic, document.settings, request.patch),
    }))
  }

  async pauseGroup(request: Request<'pauseGroup'>): Promise<void> {
    await this.#changeGroup(request, (document) => ({ ...document, paused: true }))
  }

  async resumeGroup(request: Request<'resumeGroup'>): Promise<void> {
    await this.#changeGroup(request, (document) => ({ ...document, paused: false }))
  }

  // `from` stays as the first consumer said it: consumers that say so again must not conflict after a seek.
  /** A seek is a new generation with its own start offsets; messages from there on are unsettled, leases of before are lost. */
  seekGroup(request: Request<'seekGroup'>): Promise<void> {
    return this.#turns.take(async () => {
      const { topic } = await this.#group(request)
      const startOffsets = await this.#host.estate.offsetsOf(topic, request.to)
      const generation = await this.#host.metadata.nextGroupGeneration(topic.id)
      const changed = await this.#host.metadata.updateGroup(topic.id, request.group, (document) => ({
        ...document,
        generation,
        startOffsets,
      }))
      if (!changed) throw groupMissing(request.topic, request.group)
      await this.#host.hosting.startGroup(topic, changed)
    })
  }

  deleteGroup(request: Request<'deleteGroup'>): Promise<void> {
    return this.#turns.take(async () => {
      const { topic } = await this.#group(request)
      await this.#host.metadata.deleteGroup(topic.id, request.group)
      await this.#host.hosting.endGroup(topic, request.group)
    })
  }

  async explain(request: Request<'explain'>): ReturnType<BrokerService['explain']> {
    const { topic } = await this.#group(request)
    const partition = this.#host.hosting.partition(topic.id, request.partition)
    const { clock } = this.#host.runtime
    return explain(topic, partition, request.group, request.offset, clock.monotonic(), clock.now())
  }

  async #createGroup(
    topic: Topic,
    request: JoinGroupRequest,
    settings: GroupDocument['settings'],
  ): Promise<void> {
    if (settings.deadLetter !== false) await this.#topics.ensureInTurn(settings.deadLetter, topic)
    const from = toOrigin(request.from ?? 'earliest')
    const startOffsets =
      from.kind === 'latest' ? await this.#host.estate.offsetsOf(topic, 'latest') : undefined
    const created = await this.#host.metadata.createGroup({
      topicId: topic.id,
      topic: topic.name,
      name: request.group,
      generation: await this.#host.metadata.nextGroupGeneration(topic.id),
      createdAt: Math.floor(this.#host.runtime.clock.now()),
      from,
      settings,
      paused: false,
      startOffsets,
    })
    // One that is there and was never started is what a closing broker left behind: it is started instead.
    const document = created ?? (await this.#host.metadata.readGroup(topic.id, request.group))
    if (!document) throw groupMissing(request.topic, request.group)
    await this.#host.hosting.startGroup(topic, document)
  }

  #changeGroup(
    request: { readonly topic: string; readonly group: string },
    change: (document: GroupDocument) => GroupDocument,
  ): Promise<GroupDescription> {
    return this.#turns.take(async () => {
      const { topic } = await this.#group(request)
      const changed = await this.#host.metadata.updateGroup(topic.id, request.group, change)
      if (!changed) throw groupMissing(request.topic, request.group)
      const { deadLetter } = changed.settings
      if (deadLetter !== false) await this.#topics.ensureInTurn(deadLetter, topic)
      topic.setGroup(changed, groupMoved(topic.name, request.group))
      return describeGroup(topic, request.group)
    })
  }

  async #group(request: { readonly topic: string; readonly group: string }): Promise<{
    topic: Topic
    document: GroupDocument
  }> {
    checkGroupName(request.group)
    const topic = this.#topics.get(request.topic)
    await this.#host.estate.syncGroup(topic, request.group)
    const document = topic.groups.get(request.group)
    if (!document) throw groupMissing(request.topic, request.group)
    return { topic, document }
  }
}

function toJoined(topic: Topic, document: GroupDocument): JoinedGroup {
  return {
    topicId: topic.id,
    partitions: topic.document.partitions,
    generation: document.generation,
    settings: document.settings,
  }
}

function toOrigin(at: GroupStart): GroupDocument['from'] {
  return at === 'earliest' || at === 'latest' ? { kind: at } : { kind: 'time', time: at.time }
}

function checkOrigin(document: GroupDocument, asked: GroupStart | undefined): void {
  if (asked === undefined) return
  const wanted = toOrigin(asked)
  const { from } = document
  const same =
    wanted.kind === from.kind && (wanted.kind !== 'time' || from.kind !== 'time' || wanted.time === from.time)
  if (same) return
  throw new PortalError(
    'GROUP_CONFLICT',
    `Group ${document.name} began at ${JSON.stringify(from)}, this consumer asks for ${JSON.stringify(wanted)}. Leave \`from\` out, or move the group with admin.seekGroup.`,
  )
}
