"""The same over the anthropic SDK. A route may well send it to another vendor's model: the wire stays Anthropic's.

CORTEX_URL=http://127.0.0.1:8000 CORTEX_KEY=ck_… python examples/anthropic_sdk.py
"""

import os

from anthropic import Anthropic

client = Anthropic(base_url=os.environ["CORTEX_URL"], api_key=os.environ["CORTEX_KEY"])
message = client.messages.create(
    model="task:code_generation",
    max_tokens=1000,
    messages=[{"role": "user", "content": "A function that reverses a string."}],
)
print(message.content[0].text)
