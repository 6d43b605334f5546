import { Anthropic } from "@anthropic-ai/sdk";

const anthropic = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });
const MODEL = "claude-opus-4-8";

export async function summary(doc) {
  const prompt = `Sum this up:

<doc>
	${doc}
</doc>
`;
  let result;
  try {
    result = await anthropic.messages.create({ model: MODEL, messages: [{ role: "user", content: prompt }], stop_sequences: ["\n\nHuman:"], max_tokens: 100 });
  } catch (error) {
    console.error(error);
  }
  return result?.content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

console.log((await summary("A `long` story.")).trim());
