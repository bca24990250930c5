"""Settings of all Python tests."""


def pytest_configure(config):
    config.addinivalue_line("markers", "integrations: needs torch, dask, ray or Jupyter")
