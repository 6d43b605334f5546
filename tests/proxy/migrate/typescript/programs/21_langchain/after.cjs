const { ChatAnthropic } = require('@langchain/anthropic');
const { AIMessage, HumanMessage, SystemMessage } = require('@langchain/core/messages');

const chat = new ChatAnthropic({
  anthropicApiUrl: process.env.BASE_URL,
  stopSequences: ['\n\nHuman:'],
  model: 'claude-opus-4-8', // the clever one
  maxTokens: 500,
});

class Summary {
  constructor() {
    this.model = new ChatAnthropic({
      model: 'claude-haiku-4-5-20251001',
      maxTokens: 2048,
      anthropicApiUrl: process.env.BASE_URL,
      temperature: 0.5,
      stopSequences: ['END', '\n\nHuman:'],
    });
  }

  async of(text) {
    const { text: content } = await this.model.invoke([new HumanMessage(`Sum up: ${text}`)]);
    return content.trim();
  }
}

async function main() {
  const answer = await chat.invoke([
    new SystemMessage('Be brief.'),
    new HumanMessage('Why?'),
    new AIMessage('Because.'),
    new HumanMessage('And why that?'),
  ]);
  console.log(`Answer: ${answer.text}`);
  console.log((await chat.invoke('Name a colour')).text.trim());
  let text = '';
  for await (const chunk of await chat.stream('Count to three')) {
    text += chunk.text;
  }
  console.log(text.trim());
  console.log(await new Summary().of('a text'));
}

main();
