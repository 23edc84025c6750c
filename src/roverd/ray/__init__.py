"""Recordings as datasets of Ray (extra `ray`): read on all machines of a cluster.

Not imported by `roverd` itself: `import roverd.ray`.
"""

from roverd.ray.reading import read

__all__ = ["read"]
