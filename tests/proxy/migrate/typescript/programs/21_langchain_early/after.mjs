import { ChatAnthropic } from "@langchain/anthropic";
import { HumanMessage, SystemMessage } from "@langchain/core/messages";

const model = new ChatAnthropic({ model: "claude-haiku-4-5-20251001", maxTokens: 2048, stopSequences: ["\n\nHuman:"], apiKey: "k", anthropicApiUrl: process.env.BASE_URL, temperature: 0.9 });

const response = await model.invoke([new SystemMessage("You are a pirate."), new HumanMessage("Hi")]);
console.log(response.text.trim());
