import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });

const answer = await client.completions.create({
  model: process.env.NO_MODEL || "claude-2",
  prompt: `Human: ${process.env.NO_MODEL ?? "Why?"}\n\nAssistant:`,
  max_tokens_to_sample: 30_000,
});
console.log(answer.completion.trim());
