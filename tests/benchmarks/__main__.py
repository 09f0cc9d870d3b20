"""Run every benchmark and print one table: `python -m tests.benchmarks [NAME...]`."""

import importlib
import sys
from pathlib import Path


def main(wanted: list[str]) -> None:
    names = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    for name in wanted or names:
        module = importlib.import_module(f"tests.benchmarks.bench_{name}")
        print(f"{name}: {(module.__doc__ or '').strip().splitlines()[0]}")
        for label, value, unit in module.run():
            print(f"  {label:<72} {value:10.2f} {unit}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
