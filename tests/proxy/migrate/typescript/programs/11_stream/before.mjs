import Anthropic, { AI_PROMPT, HUMAN_PROMPT } from '@anthropic-ai/sdk';

const client = new Anthropic({ apiKey: 'k', baseURL: process.env.BASE_URL });

async function main(question) {
  const stream = await client.completions.create({
    model: 'claude-2',
    prompt: `${HUMAN_PROMPT} ${question}${AI_PROMPT}`,
    max_tokens_to_sample: 100,
    stream: true,
  });
  let text = '';
  for await (const part of stream) {
    // as it comes
    text += part.completion;
  }
  console.log(text.trim());
}

await main('Why?');
let all = '';
for await (const { completion } of await client.completions.create({ model: 'claude-2', prompt: '\n\nHuman: And?\n\nAssistant:', max_tokens_to_sample: 9, stream: true }))
  all += completion;
console.log(all.trim());
