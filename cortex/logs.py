"""Log lines: one shape for ours and others', and no secret in any of them."""

import logging
import re

import structlog

# Keys of Cortex and of the providers, bearer tokens, and passwords in URLs.
_SECRET = re.compile(
    r"(ck_[A-Za-z0-9]{4})[A-Za-z0-9_-]+|\b(sk-[A-Za-z0-9-]{2,8})[A-Za-z0-9_-]{8,}|(Bearer )\S+|(://[^:/\s]+:)[^@\s]+(?=@)"
)


def redact(text: str) -> str:
    """The text with every secret that has a known shape cut to its visible prefix."""
    return _SECRET.sub(lambda m: next(group for group in m.groups() if group is not None) + "…", text)


class Redact(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


class Line(structlog.stdlib.ProcessorFormatter):
    """`2026-11-22T03:00:00Z [info] event key=value`, without colours when it is no terminal."""

    def __init__(self) -> None:
        shared: list[structlog.typing.Processor] = [
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        super().__init__(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Plain tracebacks: the pretty ones print local variables, and those hold prompts and keys.
                structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
            ],
        )
        structlog.configure(
            processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            logger_factory=structlog.stdlib.LoggerFactory(),
            cache_logger_on_first_use=True,
        )

    def formatException(self, ei: object) -> str:
        return redact(super().formatException(ei))  # type: ignore[arg-type]
