"""What ways through the heap are called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]

SCRIPT = """
import sys, types
from flasktop.agent.heap.weigh import Weighing
from flasktop.agent.heap.paths import held
from flasktop.protocol.commands.heap import HeapPaths, Step

shop = types.ModuleType("shop")
sys.modules["shop"] = shop

class InClosure: pass
class InDefault: pass
class InSlot: pass
class InAttribute: pass
class InGlobals: pass
class InNobody: pass
class Slotted: __slots__ = ("items",)
class Plain: pass

def outer():
    kept = [InClosure()]
    def view(found=[InDefault()]):
        return kept
    return view

shop.view = outer()
shop.slotted = Slotted()
shop.slotted.items = {"secret": InSlot()}
shop.plain = Plain()
shop.plain.items = (InAttribute(),)
removed = types.ModuleType("removed")
removed.__builtins__ = __builtins__
removed.LEFT = [InGlobals()]
shop.callback = types.FunctionType((lambda: None).__code__, removed.__dict__)
del removed

def main():
    weighing = Weighing()
    names = [row.name for row in weighing.divide((), "type")]
    for kind in ("InClosure", "InDefault", "InSlot", "InAttribute", "InGlobals"):
        found = held(weighing, HeapPaths(1, (Step("type", names.index(f"__main__.{kind}")),)), values=False)
        print(kind, found.holder, " ".join(f"{node.edge}|{node.kind}" for node in found.paths[0]), sep="; ")

main()
"""


def test_ways_are_told_in_pythons_words() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr

    assert done.stdout.splitlines() == [
        "InClosure; shop.view; module shop|module view|global .__closure__|attribute [0]|index closure cell|cell "
        "[0]|index",
        "InDefault; shop.view; module shop|module view|global .__defaults__|attribute [0]|index [0]|index",
        "InSlot; shop.slotted; module shop|module slotted|global .items|attribute [...]|key",
        "InAttribute; shop.plain; module shop|module plain|global .items|attribute [0]|index",
        "InGlobals; removed.LEFT; module shop|module callback|global .__globals__|attribute LEFT|global [0]|index",
    ]
