import { ChatAnthropic } from "@langchain/anthropic";
import { ChatPromptTemplate, PromptTemplate } from "@langchain/core/prompts";
import { HumanMessage } from "@langchain/core/messages";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { RunnableSequence } from "@langchain/core/runnables";

const model = new ChatAnthropic({ model: "claude-opus-4-8", stopSequences: ["\n\nHuman:"], maxTokens: 300, anthropicApiUrl: process.env.BASE_URL, streaming: true });

const prompt = ChatPromptTemplate.fromMessages([
  ["system", "You translate to {language}."],
  ["human", "{text}"],
]);
const translation = await prompt.pipe(model).pipe(new StringOutputParser()).invoke({ language: "Latin", text: "Hello" });
console.log(translation.trim());

const chain = RunnableSequence.from([PromptTemplate.fromTemplate("Say {word}."), model, new StringOutputParser()]);
console.log((await chain.invoke({ word: "yes" })).trim());

const name = PromptTemplate.fromTemplate("Name a company that makes {product}.").pipe(model);
const { text } = await name.invoke({ product: "socks" });
console.log(text.trim());
const named = await name.invoke({ product: "shoes" });
console.log(`Name: ${named.text}`);
console.log((await name.invoke({ product: "hats" })).text.trim(), (await name.invoke({ product: "gloves" })).text.trim());

let pieces = "";
await model.invoke([new HumanMessage("Hi")], { callbacks: [{ handleLLMNewToken(token) { pieces += token; } }] });
console.log(pieces.trim());
