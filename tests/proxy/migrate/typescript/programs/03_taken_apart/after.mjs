import Anthropic from "@anthropic-ai/sdk";

class Bot {
  constructor() {
    this.client = new Anthropic({ apiKey: "k", baseURL: process.env.BASE_URL });
  }

  async ask(question) {
    const { content, stop_reason: reason, model } = await this.client.messages.create({
      model: "claude-opus-4-8",
      messages: [{ role: "user", content: `${question}` }],
      stop_sequences: ["\n\nHuman:"],
      max_tokens: 100,
    });
    const completion = content.map((block) => (block.type === "text" ? block.text : "")).join("");
    return { text: completion.trim(), ok: (reason === "end_turn" || reason === "stop_sequence"), named: model.length > 0 };
  }

  later(question) {
    return this.client.messages
      .create({
        model: "claude-opus-4-8",
        messages: [{ role: "user", content: `${question}` }],
        stop_sequences: ["\n\nHuman:"],
        max_tokens: 100,
      })
      .then(({ content }) => content.map((block) => (block.type === "text" ? block.text : "")).join("").trim());
  }
}

const bot = new Bot();
console.log(await bot.ask("Why?"));
console.log(await bot.later("And why not?"));
