import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({ apiKey: 'k', baseURL: process.env.BASE_URL });

async function main(question) {
  const stream = await client.messages.create({
    model: 'claude-opus-4-8',
    messages: [{ role: 'user', content: `${question}` }],
    stop_sequences: ['\n\nHuman:'],
    max_tokens: 100,
    stream: true,
  });
  let text = '';
  for await (const part of stream) {
    if (part.type !== 'content_block_delta' || part.delta.type !== 'text_delta') continue;
    // as it comes
    text += part.delta.text;
  }
  console.log(text.trim());
}

await main('Why?');
let all = '';
for await (const event of await client.messages.create({ model: 'claude-opus-4-8', messages: [{ role: 'user', content: 'And?' }], stop_sequences: ['\n\nHuman:'], max_tokens: 9, stream: true }))
  {
  if (event.type !== 'content_block_delta' || event.delta.type !== 'text_delta') continue;
  const completion = event.delta.text;
  all += completion;
}
console.log(all.trim());
