import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });

async function ask(question) {
  const answer = await client.messages.create({
    model: "claude-opus-4-8", // the large one
    messages: [{ role: "user", content: `Say \`${question}\` for $5 and \${six}.` }],
    max_tokens: 100,
    stop_sequences: ["\n\nHuman:", "END"],
    metadata: { user_id: `u-${question.length}` },
  });
  if (answer.stop_reason === "end_turn" || answer.stop_reason === "stop_sequence") console.log("done");
  if (answer.stop_reason !== "end_turn" && answer.stop_reason !== "stop_sequence") console.log("cut");
  return answer.content.map((block) => (block.type === "text" ? block.text : "")).join("").trim();
}

console.log(await ask("Why?"));
console.log(await ask("Why \\ `not` ${1}?\u2028"));
