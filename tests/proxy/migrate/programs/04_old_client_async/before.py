import asyncio
import os

import anthropic


async def main():
    client = anthropic.Client(os.environ.get("NO_KEY", "k"), api_url=os.environ["BASE_URL"])
    response = await client.acompletion(
        prompt="\n\nHuman: Name a lake.\n\nAssistant:",
        model="claude-v1.3",
        max_tokens_to_sample=50,
        disable_checks=True,
    )
    print(response["completion"].strip())


asyncio.run(main())
