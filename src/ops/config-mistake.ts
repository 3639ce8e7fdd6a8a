/** A mistake in the configuration: which flag, and one sentence that says what is wrong and how to put it right. */
export class ConfigMistake extends Error {
  override readonly name = 'ConfigMistake';
  readonly flag: string;
  constructor(flag: string, sentence: string) {
    super(sentence);
    this.flag = flag;
  }
}
