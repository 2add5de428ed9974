"""The command that continues an interrupted one."""


def command_to_resume(program: str) -> str:
    """The command line as it was given, with --resume.

    Args:
        program: The name of the program.
    """
    import shlex
    import sys

    arguments = [argument for argument in sys.argv[1:] if argument != "--resume"]
    return shlex.join([program, *arguments, "--resume"])
