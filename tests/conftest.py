"""Settings and fixtures of all tests."""

from hypothesis import HealthCheck, settings

# The same examples in every run: a failure in CI is a failure everywhere. No deadline, since a
# slow machine is no error; pytest's own time limit catches what hangs.
settings.register_profile(
    "roverd",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("roverd")
