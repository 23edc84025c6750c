"""Settings and fixtures of all tests."""

import signal

from hypothesis import HealthCheck, settings

# Started in the background of a script, we ignore Ctrl-C, and so would the programs under test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
