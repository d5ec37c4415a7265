// Runs in the browser: the same Producer and Reader as everywhere, on a connection that speaks `fetch`.
import { connect, Producer, Reader } from 'portal-mq/client'

const connection = connect(new URL('/mq', location.href).href)
const producer = new Producer(connection)

const form = document.querySelector('form')
const wall = document.querySelector('ol')
const status = document.querySelector('#status')

connection.on('disconnect', () =>
  say('The broker is away. What you write is kept, and sent when it is back.'),
)
connection.on('connect', ({ away }) => say(`The broker is back, after ${Math.round(away / 1_000)} s.`))

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { name, text } = Object.fromEntries(new FormData(form))
  form.elements.text.value = ''
  try {
    await producer.send('wall', { name, text })
  } catch (error) {
    say(error.message)
  }
})

// From the first message that is kept to those that are still to come: the loop never ends by itself.
for await (const { value, offset, timestamp } of new Reader(connection, 'wall', { live: true })) {
  const line = document.createElement('li')
  line.dataset.offset = offset
  // textContent, never innerHTML: others wrote this.
  line.append(
    element('b', value.name),
    element('span', value.text),
    element('time', new Date(timestamp).toLocaleTimeString()),
  )
  wall.prepend(line)
}

function element(tag, text) {
  const made = document.createElement(tag)
  made.textContent = text
  return made
}

function say(text) {
  status.textContent = text
}
