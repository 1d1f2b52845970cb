"""The one error that flasktop raises on purpose."""

from __future__ import annotations


class FlasktopError(Exception):
    """Something that a person can act on.

    Args:
        message: what happened and what it means, one sentence.
        hint: what to do about it, or an empty string where nothing can be done.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigurationError(FlasktopError, ValueError):
    """A setting has a value that it does not take; the message names the key and what it takes."""


class RegistrationError(FlasktopError, RuntimeError):
    """The same app was given to flasktop twice."""


class RendezvousError(FlasktopError):
    """The place where sockets live cannot be used: not ours, open to others, too long, or not writable."""


class RefusedError(FlasktopError):
    """The other end is not who it should be, or does not want us."""


class AmbiguousTargetError(FlasktopError):
    """A target names more than one running app."""


class NotRunningError(FlasktopError):
    """No app answers to the target, or the one that did is gone."""


class ProtocolError(FlasktopError):
    """The peer sent bytes that are not flasktop's protocol, or of a version that is not ours."""
