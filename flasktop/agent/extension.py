"""The Flask extension: ``FlaskTop(app)`` or ``FlaskTop().init_app(app)``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flasktop.agent.config import Settings
from flasktop.agent.flask_hooks import EXTENSION
from flasktop.agent.middleware import Middleware
from flasktop.errors import RegistrationError

if TYPE_CHECKING:
    from flask import Flask


class FlaskTop:
    """Switch flasktop on for a Flask app.

    Nothing starts here: the agent begins with the first request that a worker serves. With ``FLASKTOP_ENABLED`` off
    the app stays exactly as it is.

    Args:
        app: the app, or None to call ``init_app`` later (application factory).

    Raises:
        ConfigurationError: a ``FLASKTOP_...`` setting has a value that it does not take.
        RegistrationError: the app is registered already.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Switch flasktop on for ``app``; raises as the constructor does."""
        if EXTENSION in app.extensions:
            raise RegistrationError(
                f"flasktop is registered for the Flask app {app.name!r} already.",
                "Call FlaskTop(app) or init_app(app) once for each app.",
            )
        settings = Settings.load(app.config)
        if not settings.enabled:
            app.extensions[EXTENSION] = None
            return
        app.wsgi_app = Middleware(app.wsgi_app, app=app)  # type: ignore[method-assign]
