import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });
const question = "Why?";

const response = await client.messages.create({
  model: "claude-haiku-4-5-20251001",
  system: "You are \"brief\".",
  messages: [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello!" },
    { role: "user", content: question },
    { role: "assistant", content: "Because" },
  ],
  stop_sequences: ["\n\nHuman:"],
  max_tokens: 100,
});
console.log(response.content.map((block) => (block.type === "text" ? block.text : "")).join("").trim());
