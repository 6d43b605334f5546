const url = `${process.env.BASE_URL}/v1/complete`;

async function ask(question) {
  const payload = {
    model: "claude-2.1",
    max_tokens_to_sample: 99,
    temperature: 0.3,
    // what people ask
    prompt: `\n\nHuman: ${question}\n\nAssistant:`,
  };
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-api-key": process.env.ANTHROPIC_API_KEY,
      "anthropic-version": "2023-01-01",
    },
    body: JSON.stringify(payload),
  });
  if (!response.ok) {
    throw new Error(`${response.status}: ${await response.text()}`);
  }
  const answer = await response.json();
  if (answer.stop_reason === "stop_sequence") console.log("done");
  return answer.completion.trim();
}

console.log(await ask("Why?"));

const headers = { "content-type": "application/json", "x-api-key": process.env.ANTHROPIC_API_KEY };
const options = {
  method: "post",
  headers,
  body: JSON.stringify({ prompt: "\n\nHuman: Hi\n\nAssistant:", model: "claude-2", max_tokens_to_sample: 5 }),
};
const said = await fetch(`${process.env.BASE_URL}/v1/complete`, options)
  .then((response) => response.json())
  .then(({ completion, error }) => completion?.trim() ?? error);
console.log(said);

async function fail() {
  const response = await fetch(`${process.env.BASE_URL}/v1/complete`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "sk-invalid" },
    body: JSON.stringify({ prompt: "\n\nHuman: Hi\n\nAssistant:", model: "claude-2", max_tokens_to_sample: 5 }),
  });
  const { completion: text, error } = await response.json();
  console.log(response.status, text, error.type);
}

await fail();
