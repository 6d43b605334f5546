const Anthropic = require('@anthropic-ai/sdk')

const client = new Anthropic({ apiKey: 'k', baseURL: process.env.BASE_URL })

async function main(number, text) {
  const response = await client.completions.create({
    model: 'claude-instant-1',
    prompt: Anthropic.HUMAN_PROMPT + ' It\'s number ' + number + number + ":\n" + text + Anthropic.AI_PROMPT,
    max_tokens_to_sample: 100
  })
  console.log(response.completion.trim())
  const direct = (await client.completions.create({ model: 'claude-instant-1', max_tokens_to_sample: 9, prompt: '\n\nHuman: ' + text + '\n\nAssistant:' })).completion
  console.log(direct.trim())
}

main(7, 'some text')
