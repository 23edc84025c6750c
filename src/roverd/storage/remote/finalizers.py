"""What the libraries of stores have the interpreter do when it exits."""

import weakref
from typing import Any


def without_finalizers(filesystem: Any) -> None:
    """Leave it to a store's `close` to close its file system.

    Their libraries would have the event loop do it when the interpreter exits, and wait for that:
    forever in a forked process, where no thread runs the loop.
    """
    registry: Any = getattr(weakref.finalize, "_registry", {})
    for finalizer in list(registry):
        alive = finalizer.peek()
        if alive is not None and alive[0] is filesystem:
            finalizer.detach()
