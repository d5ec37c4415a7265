import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { NEW_YORK, SEATTLE } from '../../src/cli/demo/readings.js'

// The package exports no file of its data.
const weather = new URL('../../node_modules/vega-datasets/data/weather.csv', import.meta.url)
const [, ...rows] = readFileSync(weather, 'utf8').trim().split('\n')

it.each([
  ['Seattle', SEATTLE],
  ['New York', NEW_YORK],
])('the demo replays what was measured in %s in 2014, day by day', (place, readings) => {
  const measured = rows
    .map((row) => row.split(','))
    .filter(([location, date]) => location === place && date?.startsWith('2014'))
    .map(([, , , highest]) => Number(highest))
  expect(readings).toEqual(measured)
})
