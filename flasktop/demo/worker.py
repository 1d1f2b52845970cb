"""One worker process of the shop: serves the socket that it inherits.

Started by ``flasktop.demo.server`` as ``python -m flasktop.demo.worker FD READY_FD DATABASE_URL DIRECTORY``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flasktop.demo import lifeline


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM or until the parent is gone; say on the file ``READY_FD`` that it begins."""
    listening, ready, database_url, directory = arguments
    lifeline.hold(Path(directory))

    from werkzeug.serving import WSGIRequestHandler, make_server

    from flasktop.demo.shop import create_app

    class Quiet(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """The traffic is seen in flasktop; a line a request would only fill the disk."""

    app = create_app(database_url)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet, fd=int(listening))
    os.write(int(ready), b"\n")
    os.close(int(ready))
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
