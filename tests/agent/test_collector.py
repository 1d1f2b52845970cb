"""The collector is paused by several threads at once, and on again after the last, in forked workers too."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from flasktop.agent import collector


def test_it_is_on_again_after_the_last_of_several_pauses() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with collector.paused():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with collector.paused():
        thread.start()
        assert inside.wait(10)
    assert not gc.isenabled()
    leave.set()
    thread.join()

    assert gc.isenabled()


def test_it_stays_off_where_the_app_has_switched_it_off() -> None:
    gc.disable()
    try:
        with collector.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_meanwhile_collects() -> None:
    with collector.paused():
        pid = os.fork()
        if pid == 0:
            os._exit(0 if gc.isenabled() else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
