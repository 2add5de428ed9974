"""Where modules and names of gnncore were in version 0.1, see :mod:`gnncore.moved`."""

MODULES = {
    "gnncore.models.checkpoint": "gnncore.models.saved_model",
    "gnncore.models.toml": "gnncore.configuration.toml",
}

NAMES = {
    "gnncore.models.saved_model": {
        "find_checkpoint": "find_model",
        "read_checkpoint": "read_model",
        "write_checkpoint": "write_model",
    },
}
