const { ChatAnthropic } = require('langchain/chat_models/anthropic');
const { AIMessage, HumanMessage, SystemMessage } = require('langchain/schema');

const chat = new ChatAnthropic({
  anthropicApiUrl: process.env.BASE_URL,
  modelName: 'claude-2.1', // the clever one
  maxTokensToSample: 500,
  temperature: 0.2,
  topK: 5,
});

class Summary {
  constructor() {
    this.model = new ChatAnthropic({
      modelName: 'claude-instant-1.2',
      anthropicApiUrl: process.env.BASE_URL,
      temperature: 0.5,
      stopSequences: ['END'],
    });
  }

  async of(text) {
    const { content } = await this.model.call([new HumanMessage(`Sum up: ${text}`)]);
    return content.trim();
  }
}

async function main() {
  const answer = await chat.call([
    new SystemMessage('Be brief.'),
    new HumanMessage('Why?'),
    new AIMessage('Because.'),
    new HumanMessage('And why that?'),
  ]);
  console.log(`Answer:${answer.content}`);
  console.log((await chat.predict('Name a colour')).trim());
  let text = '';
  for await (const chunk of await chat.stream('Count to three')) {
    text += chunk.content;
  }
  console.log(text.trim());
  console.log(await new Summary().of('a text'));
}

main();
