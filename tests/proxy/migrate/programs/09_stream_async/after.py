import asyncio
import os

from anthropic import AsyncAnthropic

client = AsyncAnthropic(api_key="k", base_url=os.environ["BASE_URL"])


async def main(question: str):
    async with client.messages.stream(
        model="claude-opus-4-8",
        messages=[{"role": "user", "content": question}],
        stop_sequences=["\n\nHuman:"],
        max_tokens=100,
    ) as stream:
        said = []
        async for piece in stream.text_stream:
            said.append(piece)
    print("".join(said).strip())
    whole = await client.messages.create(
        model="claude-opus-4-8", messages=[{"role": "user", "content": question}], stop_sequences=["\n\nHuman:"], max_tokens=10
    )
    print("".join(block.text for block in whole.content if block.type == "text").strip())


asyncio.run(main("Why?"))
