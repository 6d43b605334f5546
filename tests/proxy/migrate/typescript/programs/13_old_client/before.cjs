const { AI_PROMPT, Client, HUMAN_PROMPT } = require("@anthropic-ai/sdk");

const client = new Client("k", { apiUrl: process.env.BASE_URL });

client
  .complete({
    prompt: `${HUMAN_PROMPT} How many toes do dogs have?${AI_PROMPT}`,
    stop_sequences: [HUMAN_PROMPT],
    max_tokens_to_sample: 200,
    model: "claude-v1",
  })
  .then((finalSample) => {
    console.log(finalSample.completion.trim());
  })
  .catch((error) => {
    console.error(error);
  });
