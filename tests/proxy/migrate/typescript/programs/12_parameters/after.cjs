const { Anthropic } = require("@anthropic-ai/sdk");

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });

async function main(question) {
  const params = {
    messages: [{ role: "user", content: String(question) }],
    stop_sequences: ["\n\nHuman:"],
    model: "claude-haiku-4-5-20251001",
    max_tokens: 100,
    ...{ temperature: 0.5, top_k: 5 },
  };
  const answer = await client.messages.create(params, { timeout: 20000, headers: { "anthropic-version": "2023-06-01" } });
  console.log(answer.content.map((block) => (block.type === "text" ? block.text : "")).join("").trim());
}

main("Why?");
