const Anthropic = require('@anthropic-ai/sdk')

const client = new Anthropic({ apiKey: 'k', baseURL: process.env.BASE_URL })

async function main(number, text) {
  const response = await client.messages.create({
    model: 'claude-haiku-4-5-20251001',
    messages: [{ role: 'user', content: `It's number ${number}${number}:\n${text}` }],
    stop_sequences: ['\n\nHuman:'],
    max_tokens: 100
  })
  console.log(response.content.map((block) => (block.type === 'text' ? block.text : '')).join('').trim())
  const direct = (await client.messages.create({ model: 'claude-haiku-4-5-20251001', max_tokens: 9, messages: [{ role: 'user', content: `${text}` }], stop_sequences: ['\n\nHuman:'] })).content.map((block) => (block.type === 'text' ? block.text : '')).join('')
  console.log(direct.trim())
}

main(7, 'some text')
