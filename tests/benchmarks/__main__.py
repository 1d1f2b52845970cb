"""``python -m tests.benchmarks`` is ``python -m tests.benchmarks.bench_cost``: the README's table of costs."""

from tests.benchmarks.bench_cost import main

main()
