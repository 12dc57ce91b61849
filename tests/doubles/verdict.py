"""What llmock, a provider double by others, says of how it was treated."""

from llmock.pytest_plugin import LLMock


def assert_clean(llmock: LLMock) -> None:
    """No finding but the one that is our design: a failed candidate is not asked again, the next one is.

    llmock knows one provider a client, so it warns that we "gave up" where the error table says "next candidate".
    """
    verdict = llmock.verdict()
    verdict.assert_ok()
    assert {finding.code for finding in verdict.warnings} <= {"gave_up"}, verdict.render()
