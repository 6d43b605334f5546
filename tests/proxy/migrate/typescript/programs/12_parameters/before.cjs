const { Anthropic, HUMAN_PROMPT, AI_PROMPT } = require("@anthropic-ai/sdk");

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });

async function main(question) {
  const params = {
    prompt: [HUMAN_PROMPT, " ", String(question), AI_PROMPT].join(""),
    "model": "claude-instant-1.2",
    max_tokens_to_sample: 100,
    temperature: 0.5,
    top_k: 5,
  };
  const answer = await client.completions.create(params, { timeout: 20000 });
  console.log(answer["completion"].trim());
}

main("Why?");
