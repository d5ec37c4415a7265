// Stands in for a device: the daily maxima of 2014 in Seattle (sensor 1) and New York (sensor 2), in °C, from the npm package vega-datasets, which
// has them from NOAA's public Global Historical Climatology Network. A day goes by with every measurement. Ask your device here.
import temperatures from './temperatures.json' with { type: 'json' }

/** What the sensor of this kind and number measures, at each of its readings. */
export function measurements(kind: string, number: number): (reading: number) => number {
  const year = kind === 'temp' ? temperatures[number - 1] : undefined
  if (year === undefined)
    throw new Error(`There is no sensor ${kind} ${number}: temp 1 and temp 2 are at hand.`)
  return (reading) => year[reading % year.length]!
}
