"""The command that continues an interrupted one."""


def command_to_resume() -> str:
    """The command line as it was given, with --resume."""
    import shlex
    import sys

    arguments = [argument for argument in sys.argv[1:] if argument != "--resume"]
    return shlex.join(["gridstab", *arguments, "--resume"])
