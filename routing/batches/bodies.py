"""A wish as the text that its row holds, and back. The text is encrypted before it goes anywhere."""

import json
from dataclasses import asdict

from routing.dispatch.asked import Wish
from routing.terms.request import Message, Tool


def written(wish: Wish) -> str:
    return json.dumps(asdict(wish), separators=(",", ":"))


def read(text: str) -> Wish:
    """The wish of `written`."""
    fields = json.loads(text)
    fields["messages"] = [Message(**each) for each in fields["messages"]]
    fields["tools"] = [Tool(**each) for each in fields["tools"]]
    fields["context"] = tuple(fields["context"])
    return Wish(**fields)
