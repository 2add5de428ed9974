"""What a training on a zoo was asked for: the same is continued in its folder, other refused."""

from collections.abc import Collection
from typing import Any

from gnncore.storage import WorkFolder, first_difference


def look_for(
    work: WorkFolder,
    request: dict[str, Any],
    *,
    files: Collection[str],
    state: str,
    learnt: str,
    resume: bool,
) -> dict[str, Any] | None:
    """What was asked for in the folder before, if that was the same; None if the folder is free.

    Args:
        work: The folder.
        request: What is asked for now: the path of the ``zoo``, its ``zoo_sha256`` once the
            networks are read, and all that the result depends on.
        files: Names of all files of the work.
        state: Folder of the state between two epochs.
        learnt: What was done with the networks, for messages: ``trained on``.
        resume: Whether to go on with work that is there.

    Raises:
        Exception: One of the class of the work's errors: another request, other networks, or
            something that does not belong there.
    """
    before: dict[str, Any] = {}

    def parse(values: Any) -> dict[str, Any]:
        if not isinstance(values, dict):
            raise work.kind.error_class(
                f"it must be what was asked for, got {type(values).__name__}"
            )
        return values

    def difference() -> str | None:
        before.update(work.configuration(parse))
        # A zoo is known by what it holds; by its path only where no more was written down.
        unknown = "zoo" if "zoo_sha256" in before else "zoo_sha256"
        asked = {name: value for name, value in request.items() if name != unknown}
        if "zoo_sha256" in asked and before["zoo_sha256"] != asked["zoo_sha256"]:
            others = first_difference(before, asked, [n for n in asked if n != "zoo_sha256"])
            return others or f"it was {learnt} other networks than {request['zoo']!r} holds now"
        return first_difference(before, asked, asked)

    if not work.look(difference, resume=resume):
        return None
    work.require_no_unexpected_entries(files, {state: None})
    return before
