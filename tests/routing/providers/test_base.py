"""A secret shows itself to nobody who does not ask for it."""

import copy
import pickle
from dataclasses import asdict

import pytest

from routing.providers.base import Endpoint
from routing.terms.secret import Secret
from routing.terms.words import ProviderKind


def test_a_secret_is_in_no_text_of_an_endpoint():
    endpoint = Endpoint(ProviderKind.OPENAI, "openai", "gpt-6", secret=Secret("sk-canary"))

    assert "sk-canary" not in f"{endpoint!r} {endpoint} {endpoint.secret:} {asdict(endpoint)}"
    assert endpoint.secret.reveal() == "sk-canary"


def test_a_secret_is_compared_and_copied_but_not_pickled():
    secret = Secret("a")

    assert secret == Secret("a") != Secret("b")
    assert copy.deepcopy(secret) is secret
    assert (bool(secret), bool(Secret(""))) == (True, False)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
