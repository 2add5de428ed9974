"""Optional packages: what to type where one is missing."""

from importlib.metadata import PackageNotFoundError, requires

DISTRIBUTION = "graphwsl-gridstab"


def install_command(extra: str) -> str:
    """The command that installs what an extra needs, wherever this package came from.

    It names the packages and not the extra, for that works beside a clone, a wheel and a
    package index alike.

    Args:
        extra: A name of ``[project.optional-dependencies]``.
    """
    try:
        listed = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        listed = []
    needed = [
        line.partition(";")[0].strip()
        for line in listed
        if line.replace("'", '"').endswith(f'extra == "{extra}"')
    ]
    # Of a source tree that was never installed nothing is listed.
    return "pip install " + " ".join(f"'{one}'" for one in needed or [f"{DISTRIBUTION}[{extra}]"])
