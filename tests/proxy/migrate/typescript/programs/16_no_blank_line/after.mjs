import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });

const answer = await client.messages.create({
  model: process.env.NO_MODEL || "claude-opus-4-8",
  messages: [{ role: "user", content: `${process.env.NO_MODEL ?? "Why?"}` }],
  stop_sequences: ["\n\nHuman:"],
  max_tokens: 30_000,
}, { timeout: 600_000 });
console.log(answer.content.map((block) => (block.type === "text" ? block.text : "")).join("").trim());
