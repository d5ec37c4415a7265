/** The checks of options, for the files of this folder. */
export {
  booleanOption,
  checkOptionNames,
  choiceOption,
  dateOption,
  definedOnly,
  describe,
  durationOption,
  invalid,
  numberOption,
  signalOption,
} from '../core/options.js'
