import { ChatAnthropic } from "langchain/chat_models/anthropic";
import { HumanChatMessage, SystemChatMessage } from "langchain/schema";

const model = new ChatAnthropic({ modelName: "claude-v1.3", anthropicApiKey: "k", anthropicApiUrl: process.env.BASE_URL, temperature: 0.9 });

const response = await model.call([new SystemChatMessage("You are a pirate."), new HumanChatMessage("Hi")]);
console.log(response.text.trim());
