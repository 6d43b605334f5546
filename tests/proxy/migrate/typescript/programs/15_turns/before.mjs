import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });
const question = "Why?";

const response = await client.completions.create({
  model: "claude-instant-1.2",
  prompt: "You are \"brief\".\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: ".concat(question, "\n\nAssistant: Because"),
  max_tokens_to_sample: 100,
});
console.log(response.completion.trim());
