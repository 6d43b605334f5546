const { Anthropic } = require("@anthropic-ai/sdk");

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });

client
  .messages.create({
    messages: [{ role: "user", content: "How many toes do dogs have?" }],
    stop_sequences: ["\n\nHuman:"],
    max_tokens: 200,
    model: "claude-haiku-4-5-20251001",
  })
  .then((finalSample) => {
    console.log(finalSample.content.map((block) => (block.type === "text" ? block.text : "")).join("").trim());
  })
  .catch((error) => {
    console.error(error);
  });
