import { testAnswerStore } from '../../conformance/answer-store.suite.ts';
import { memoryAnswers } from '../../support/memory-answers.ts';

testAnswerStore('in memory', async () => {
  const store = memoryAnswers(() => Date.now());
  return { store, another: async () => store, [Symbol.asyncDispose]: async () => undefined };
});
