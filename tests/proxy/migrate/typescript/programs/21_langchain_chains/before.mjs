import { LLMChain } from "langchain/chains";
import { ChatAnthropic } from "langchain/chat_models/anthropic";
import { ChatPromptTemplate, PromptTemplate } from "langchain/prompts";
import { HumanMessage } from "langchain/schema";
import { StringOutputParser } from "langchain/schema/output_parser";
import { RunnableSequence } from "langchain/schema/runnable";

const model = new ChatAnthropic({ modelName: "claude-2", maxTokensToSample: 300, anthropicApiUrl: process.env.BASE_URL, streaming: true });

const prompt = ChatPromptTemplate.fromMessages([
  ["system", "You translate to {language}."],
  ["human", "{text}"],
]);
const translation = await prompt.pipe(model).pipe(new StringOutputParser()).invoke({ language: "Latin", text: "Hello" });
console.log(translation.trim());

const chain = RunnableSequence.from([PromptTemplate.fromTemplate("Say {word}."), model, new StringOutputParser()]);
console.log((await chain.invoke({ word: "yes" })).trim());

const name = new LLMChain({ llm: model, prompt: PromptTemplate.fromTemplate("Name a company that makes {product}.") });
const { text } = await name.call({ product: "socks" });
console.log(text.trim());
const named = await name.invoke({ product: "shoes" });
console.log(`Name:${named.text}`);
console.log((await name.run("hats")).trim(), (await name.predict({ product: "gloves" })).trim());

let pieces = "";
await model.call([new HumanMessage("Hi")], undefined, [{ handleLLMNewToken(token) { pieces += token; } }]);
console.log(pieces.trim());
