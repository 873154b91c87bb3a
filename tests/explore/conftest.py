"""A study of few small dies, computed once."""

import pytest


@pytest.fixture(scope="session")
def four_rows(circles, altered):
    """Four rows of two channels: the least chip that ranks something."""
    return altered(circles, name="four_rows", chip={"rows": 4, "channels": 2}, comb={"line_power_dBm": 0.0})


@pytest.fixture(scope="session")
def plan(four_rows):
    """Sixty dies of 12 wafers in batches of seven."""
    from prism_photonics.explore.plan import YieldPlan

    return YieldPlan.make(four_rows, dies=60, wafers=12, seed=3, batch=7)


@pytest.fixture(scope="session")
def stored(plan, tmp_path_factory):
    """The file of that study, computed here."""
    from prism_photonics.explore.run import run
    from prism_photonics.explore.store import DieStore

    path = tmp_path_factory.mktemp("study") / "dies.bin"
    with DieStore(path, plan) as store:
        run(plan, store, workers=1)
    return path


@pytest.fixture(scope="session")
def content():
    """All numbers of a study's file, as bytes in order."""
    from prism_photonics.explore.store import DieStore

    def read(path, plan):
        with DieStore(path, plan) as store:
            return b"".join(batch.dies.tobytes() + batch.twins.tobytes() for batch in store.batches())

    return read
