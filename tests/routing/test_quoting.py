"""What is kept of a provider's error: its own words, and none of the request's."""

import json

import pytest

from routing.dispatch.quoting import BLOB_CHARS, LEFT_OUT, MOST_CHARS, texts_of, unquoted
from routing.terms.raw import Raw
from routing.terms.request import Message, Request, Tool

PROMPT = "Write to Anna Kowalska about the invoice of 3 March.\nShe lives in 12 Mill Lane."

CASES = {
    "in quotes, however short": ("Invalid value: 'Anna'. Supported: 'auto'.", "Invalid value: '…'. Supported: 'auto'."),
    "in other quotes": ("Cannot read “Mill Lane” here", "Cannot read “…” here"),
    "without quotes": ("Blocked: about the invoice of 3 March. Try again.", "Blocked: …. Try again."),
    "cut off in a word": ("input_value=Write to Anna Kow...Mill Lane.", "input_value=…...Mill Lane."),
    "of our own words none": ("max_tokens: 70000 > 64000, the maximum of this model", None),
    "a few common words": ("to the maximum of 3", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize(("said", "kept"), CASES.values(), ids=CASES)
def test_quotations_are_left_out_and_the_providers_own_words_stay(said: str, kept: str | None) -> None:
    assert unquoted(said, [PROMPT]) == (said if kept is None else kept)


def test_every_text_of_a_request_is_looked_for_in_either_form() -> None:
    native = Request(
        [Message("user", [{"type": "text", "text": "a question of somebody"}])],
        system="instructions of the house",
        tools=[
            Tool("look", "a description of the tool", {"properties": {"at": {"description": "a place in the house"}}})
        ],
        stop=["a stop sequence here"],
    )
    body = {"model": "a-model-of-some-name", "input": ["a question of somebody", {"role": "a-role-of-some-name"}]}
    raw = json.dumps(body).encode()
    written = Request([], raw=Raw("openai_responses", raw, None, lambda: body))
    assert {
        "a question of somebody",
        "instructions of the house",
        "a description of the tool",
        "a place in the house",
        "a stop sequence here",
    } <= set(texts_of(native))
    assert list(texts_of(written)) == ["a question of somebody"]


def test_of_an_error_of_a_very_long_request_no_word_is_kept_and_files_in_it_do_not_count() -> None:
    assert unquoted("Something in it is wrong", ["word " * (MOST_CHARS // 5 + 1)]) == LEFT_OUT
    assert unquoted("Something in it is wrong", ["A" * (MOST_CHARS + 1)]) == "Something in it is wrong"
    assert unquoted("Blocked: in a long text", ["x" * BLOB_CHARS, "in a long text"]) == "Blocked: …"
