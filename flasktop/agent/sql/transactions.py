"""What is set on an engine's dialect when it is first seen: its name, and timed COMMIT and ROLLBACK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from flasktop.agent.engine import Engine
from flasktop.agent.sql import engines, fetch, pools, recording
from flasktop.agent.trace import sink
from flasktop.protocol.records import COMMIT, ROLLBACK

_CALLS: Final = {
    "do_commit": COMMIT,
    "do_rollback": ROLLBACK,
    "do_prepare_twophase": COMMIT,
    "do_commit_twophase": COMMIT,
    "do_rollback_twophase": ROLLBACK,
}

BATCH: Final = "_flasktop_batch"
"""Attribute of an execution context: parameter sets in the batch of ``insertmanyvalues`` that runs."""


def adopt(engine: Any) -> Engine:
    """The Engine of a SQLAlchemy engine; the first time, its dialect's COMMIT and ROLLBACK begin to be recorded."""
    dialect = engine.dialect
    known = dialect.__dict__.get("_flasktop_engine")
    if known is not None:
        return known  # type: ignore[no-any-return]
    info = engines.of(engine)
    token = object()
    if dialect.__dict__.setdefault("_flasktop_adopted", token) is not token:
        return info  # another thread is at it
    for name, kind in _CALLS.items():
        original = getattr(dialect, name, None)
        if original is not None:
            setattr(dialect, name, recording.timed(original, kind, info, pools.is_connecting))
    deliver = getattr(dialect, "_deliver_insertmanyvalues_batches", None)
    if deliver is not None:
        dialect._deliver_insertmanyvalues_batches = _with_batch_size(deliver)
    dialect._flasktop_engine = info
    dialect.execution_ctx_cls = fetch.roomy(dialect.execution_ctx_cls)
    return info


def _with_batch_size(deliver: Any) -> Any:
    """SQLAlchemy's batches of ``insertmanyvalues`` as they come, each one's size noted on the execution context."""

    def batches(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for batch in deliver(*args, **kwargs):
            if sink.active and recording.statements.on:
                try:
                    context = args[-1] if args else kwargs["context"]
                    setattr(context, BATCH, len(batch.batch))
                except Exception as fault:  # noqa: BLE001 - the edge of a hook: the batch runs as ever
                    recording.statements.failed(fault)
            yield batch

    return batches
