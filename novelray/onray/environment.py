"""The environment of a cluster's nodes as shell lines, so that scripts take it from the code instead of copying it.

eval "$(python -m novelray.onray.environment)"
"""

from __future__ import annotations

import shlex

from novelray.onray.session import LOCAL_ENVIRONMENT


def shell_lines() -> str:
    """`export NAME=value` for each variable that is not set yet."""
    return "\n".join(f'export {name}="${{{name}:-{value}}}"' for name, value in _checked().items())


def _checked() -> dict[str, str]:
    assert all(shlex.quote(v) == v for v in LOCAL_ENVIRONMENT.values()), "values are written into a shell unquoted"
    return LOCAL_ENVIRONMENT


if __name__ == "__main__":
    print(shell_lines())
