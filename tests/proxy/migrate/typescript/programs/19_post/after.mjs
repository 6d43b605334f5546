const url = `${process.env.BASE_URL}/v1/messages`;

async function ask(question) {
  const payload = {
    model: "claude-opus-4-8",
    max_tokens: 99,
    // what people ask
    messages: [{ role: "user", content: `${question}` }],
    stop_sequences: ["\n\nHuman:"],
  };
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-api-key": process.env.ANTHROPIC_API_KEY,
      "anthropic-version": "2023-06-01",
    },
    body: JSON.stringify(payload),
  });
  if (!response.ok) {
    throw new Error(`${response.status}: ${await response.text()}`);
  }
  const answer = await response.json();
  if (answer.stop_reason === "end_turn" || answer.stop_reason === "stop_sequence") console.log("done");
  return answer.content.map((block) => (block.type === "text" ? block.text : "")).join("").trim();
}

console.log(await ask("Why?"));

const headers = { "content-type": "application/json", "x-api-key": process.env.ANTHROPIC_API_KEY, "anthropic-version": "2023-06-01" };
const options = {
  method: "post",
  headers,
  body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }], stop_sequences: ["\n\nHuman:"], model: "claude-opus-4-8", max_tokens: 5 }),
};
const said = await fetch(`${process.env.BASE_URL}/v1/messages`, options)
  .then((response) => response.json())
  .then(({ content, error }) => content?.map((block) => (block.type === "text" ? block.text : "")).join("")?.trim() ?? error);
console.log(said);

async function fail() {
  const response = await fetch(`${process.env.BASE_URL}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": "sk-invalid", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }], stop_sequences: ["\n\nHuman:"], model: "claude-opus-4-8", max_tokens: 5 }),
  });
  const { content, error } = await response.json();
  const text = content?.map((block) => (block.type === "text" ? block.text : "")).join("");
  console.log(response.status, text, error.type);
}

await fail();
