"""Profiles as files for other tools."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from flasktop.stats.calltree import Frame, Parts, Stack, merge
from flasktop.stats.flamefile import SCHEMA, collapsed, speedscope
from tests.stats.profiles import FLASK, MS, SHOP, profiled, report


def test_speedscopes_file_holds_what_its_schema_asks_for() -> None:
    """The required fields of speedscope's ``FileFormat.File`` and ``SampledProfile``."""
    document = json.loads(speedscope(merge([report()], "GET /report")))
    frames = document["shared"]["frames"]

    assert document["$schema"] == SCHEMA
    assert all(isinstance(frame["name"], str) for frame in frames)
    assert {"name": "report", "file": SHOP, "line": 20} in frames
    for profile in document["profiles"]:
        assert profile["type"] == "sampled"
        assert profile["unit"] == "microseconds"
        assert len(profile["samples"]) == len(profile["weights"])
        assert all(0 <= number < len(frames) for sample in profile["samples"] for number in sample)
        assert profile["startValue"] == 0
        assert profile["endValue"] == sum(profile["weights"])


def test_there_is_a_profile_for_each_kind_of_time() -> None:
    document = json.loads(speedscope(merge([report()], "GET /report")))
    ends = {profile["name"].partition(": ")[2]: profile["endValue"] // MS for profile in document["profiles"]}

    assert ends == {"all time": 1030, "on CPU": 220, "waiting": 210, "SQL": 600}


def test_no_samples_are_a_valid_file_all_the_same() -> None:
    document = json.loads(speedscope(merge([profiled()], "GET /report")))

    assert [profile["samples"] for profile in document["profiles"]] == [[]]
    assert collapsed(merge([profiled()], "")) == ""


def test_collapsed_stacks_are_functions_and_microseconds() -> None:
    lines = collapsed(merge([report()], "GET /report")).splitlines()

    assert all(re.fullmatch(r"[^;]+(;[^;]+)* \d+", line) for line in lines)
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == 1030 * MS
    assert f"Flask.wsgi_app ({FLASK}:1479) {30 * MS}" in lines


def test_a_name_cannot_break_a_line_or_a_stack() -> None:
    odd = Stack((Frame("a;b.py", "f\n;g 12", 1, 1, True),), 1, Parts(5))
    (line,) = collapsed(replace(merge([report()], ""), stacks=(odd,))).splitlines()

    assert line == "f :g 12 (a:b.py:1) 5"
