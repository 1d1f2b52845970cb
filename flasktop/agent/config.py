"""The settings: what ``app.config`` and the environment may say, with defaults, checked at start-up.

``app.config`` wins over an environment variable of the same name, which wins over the default.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from flasktop.errors import ConfigurationError
from flasktop.protocol.commands import GRANTS

MIB: Final = 1024 * 1024
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})


class Settings(msgspec.Struct, frozen=True):
    """All settings of one app; the limits are the worker's, and those of its first app count.

    Attributes:
        enabled: ``FLASKTOP_ENABLED``; False leaves the app exactly as it was.
        name: ``FLASKTOP_NAME``; what ``flasktop attach NAME`` calls the app. Empty: the Flask app's own name.
        dir: ``FLASKTOP_DIR``; where sockets and journals live. Empty: the user's runtime folder.
        ignore: ``FLASKTOP_IGNORE``; URL rules or paths that are not recorded, a trailing ``*`` matches any rest.
        mask_paths: ``FLASKTOP_MASK_PATHS``; show the URL rule in place of each request's path.
        history_bytes: ``FLASKTOP_HISTORY_BYTES``; size of the journal file.
        max_spans: ``FLASKTOP_MAX_SPANS``; spans kept one by one in a request, sums beyond.
        max_statements: ``FLASKTOP_MAX_STATEMENTS``; distinct rows of queries.
        max_statement_bytes: ``FLASKTOP_MAX_STATEMENT_BYTES``; a statement's text is cut there.
        max_routes: ``FLASKTOP_MAX_ROUTES``; distinct rows of endpoints.
        max_in_flight: ``FLASKTOP_MAX_IN_FLIGHT``; requests in flight that are shown and survive a kill.
        max_readers: ``FLASKTOP_MAX_READERS``; readers served at once.
        grants: ``FLASKTOP_GRANTS``; the commands that readers may give, of ``heap``, ``stacks``, ``profile`` and
            ``explain``; ``all`` or none (empty). Of several apps in one worker: what all of them allow.
        show_values: ``FLASKTOP_SHOW_VALUES``; let heap drill-downs show short representations of objects.
    """

    enabled: bool = True
    name: str = ""
    dir: str = ""
    ignore: tuple[str, ...] = ()
    mask_paths: bool = False
    history_bytes: int = 8 * MIB
    max_spans: int = 500
    max_statements: int = 2000
    max_statement_bytes: int = 8192
    max_routes: int = 1000
    max_in_flight: int = 512
    max_readers: int = 16
    grants: tuple[str, ...] = GRANTS
    show_values: bool = False

    @classmethod
    def load(cls, config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from a Flask config and the environment.

        Raises:
            ConfigurationError: a value is of the wrong kind or out of range; names the key and what it takes.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for name in cls.__struct_fields__:
            key = f"FLASKTOP_{name.upper()}"
            if config.get(key) is not None:
                values[name] = _READERS[name](key, config[key])
            elif key in environ:
                values[name] = _READERS[name](key, environ[key])
        return cls(**values)

    def ignores(self, rule_or_path: str) -> bool:
        """Whether a URL rule or a path is on the list of what is not recorded."""
        return any(
            rule_or_path.startswith(entry[:-1]) if entry.endswith("*") else rule_or_path == entry
            for entry in self.ignore
        )


def _wrong(key: str, value: object, takes: str) -> ConfigurationError:
    return ConfigurationError(f"{key} is {value!r}, but it takes {takes}.", f"Correct or remove {key}.")


def _flag(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise _wrong(key, value, "true or false (also 1/0, yes/no, on/off)")


def _text(key: str, value: object) -> str:
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        if isinstance(text, str) and "\0" not in text:
            return text
    raise _wrong(key, value, "a text")


def _patterns(key: str, value: object) -> tuple[str, ...]:
    entries = [entry.strip() for entry in value.split(",")] if isinstance(value, str) else value
    if isinstance(entries, (list, tuple, set, frozenset)) and all(isinstance(entry, str) for entry in entries):
        kept = tuple(entry for entry in entries if entry)
        if all(entry.startswith(("/", "*")) for entry in kept):
            return kept
    raise _wrong(
        key, value, "URL rules or paths that begin with /: a list, or a text with commas such as '/healthz,/static/*'"
    )


def _grants(key: str, value: object) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    if isinstance(words, (list, tuple, set, frozenset)) and all(isinstance(word, str) for word in words):
        asked = {word.strip().lower() for word in words} - {""}
        if asked == {"all"}:
            return GRANTS
        if asked <= {*GRANTS}:
            return tuple(grant for grant in GRANTS if grant in asked)
    raise _wrong(key, value, f"'all', nothing, or some of {', '.join(GRANTS)} with commas between them")


def _number(low: int, high: int) -> Callable[[str, object], int]:
    def read(key: str, value: object) -> int:
        try:
            number = int(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else low - 1
        except ValueError:
            number = low - 1
        if low <= number <= high:
            return number
        raise _wrong(key, value, f"a whole number from {low:,} to {high:,}")

    return read


_READERS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "enabled": _flag,
    "name": _text,
    "dir": _text,
    "ignore": _patterns,
    "mask_paths": _flag,
    "history_bytes": _number(MIB, 1024 * MIB),
    "max_spans": _number(1, 100_000),
    "max_statements": _number(10, 100_000),
    "max_statement_bytes": _number(64, 64 * 1024),
    "max_routes": _number(10, 100_000),
    "max_in_flight": _number(1, 16_384),
    "max_readers": _number(1, 256),
    "grants": _grants,
    "show_values": _flag,
}
